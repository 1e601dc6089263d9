package console

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"outrider/telemetry"
)

// store keeps the scrapes as a console does, and returns them as a pull sees them.
func store(t testing.TB, scrapes ...*telemetry.Scrape) []*exposition {
	t.Helper()
	c := &Console{scrapes: newLastScrapes()}
	targets := map[string][]*telemetry.Target{}
	for _, s := range scrapes {
		targets[s.Target.Job] = append(targets[s.Target.Job], s.Target)
	}
	c.SetTargets(targets)
	for _, s := range scrapes {
		if err := c.Sink(s); err != nil {
			t.Fatal(err)
		}
	}
	return c.scrapes.read()
}

func render(t testing.TB, scheme model.EscapingScheme, scrapes ...*telemetry.Scrape) (string, [len(omissions)]int) {
	t.Helper()
	var b bytes.Buffer
	omitted, err := writeTargets(&b, store(t, scrapes...), scheme)
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), omitted
}

func scrapeOf(tg *telemetry.Target, timeMs int64, md *telemetry.Metadata, values map[string]float64) *telemetry.Scrape {
	s := &telemetry.Scrape{Target: tg, TimeMs: timeMs}
	var lsets []labels.Labels
	var mds []*telemetry.Metadata
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		lsets = append(lsets, labels.FromStrings("__name__", n, "instance", tg.Instance()))
		mds = append(mds, md)
		s.Values = append(s.Values, values[n])
	}
	s.Series = telemetry.NewSeriesSet(lsets, mds)
	return s
}

func TestWriteTargetsGroupsFamilies(t *testing.T) {
	histo := &telemetry.Metadata{Family: "latency_seconds", Type: model.MetricTypeHistogram, Help: "How \\ long\nit took."}
	total := &telemetry.Metadata{Family: "orders", Type: model.MetricTypeCounter, Help: "Orders."}
	set := func(instance string) (*telemetry.SeriesSet, []float64) {
		l := func(name string, more ...string) labels.Labels {
			return labels.FromStrings(append([]string{"__name__", name, "instance", instance}, more...)...)
		}
		return telemetry.NewSeriesSet(
			[]labels.Labels{
				l("orders_total", "path", `a"b\c`+"\nd"),
				l("latency_seconds_bucket", "le", "0.5"),
				l("latency_seconds_bucket", "le", "+Inf"),
				l("latency_seconds_sum"),
				l("latency_seconds_count"),
				l("orders_created"),
				l("up"),
			},
			[]*telemetry.Metadata{total, histo, histo, histo, histo, total, nil},
		), []float64{math.Inf(1), 1, 2, 0.75, 2, math.NaN(), 1}
	}
	var scrapes []*telemetry.Scrape
	for _, instance := range []string{"b:1", "a:1"} {
		series, values := set(instance)
		scrapes = append(scrapes, &telemetry.Scrape{Target: newTarget("shop", instance), TimeMs: 1700000000123, Series: series, Values: values})
	}
	scrapes[0].Rest = []telemetry.Sample{
		{Labels: labels.FromStrings("__name__", "latency_seconds", "instance", "b:1"), Metadata: histo, Kind: telemetry.KindHistogram, Histogram: &histogram.Histogram{}},
		{Labels: labels.FromStrings("__name__", "backup_age", "instance", "b:1"), Kind: telemetry.KindFloat, Value: 3, TimeMs: 1600000000000},
		telemetry.Stale(labels.FromStrings("__name__", "gone"), 1700000000123),
		{Labels: labels.FromStrings("__name__", "orders_total", "instance", "b:1"), Kind: telemetry.KindExemplar},
	}
	got, omitted := render(t, model.NoEscaping, scrapes...)
	golden(t, "testdata/targets.txt", got)
	if want := [len(omissions)]int{omittedHistogram: 1, omittedStale: 1}; omitted != want {
		t.Errorf("omitted %v, want %v", omitted, want)
	}
	for _, prefix := range []string{"# TYPE latency_seconds ", "# HELP latency_seconds ", "# TYPE up "} {
		if n := strings.Count(got, prefix); n != 1 {
			t.Errorf("%q occurs %d times, want once", prefix, n)
		}
	}
}

func TestWriteTargetsKeepsTheLastScrapeOnly(t *testing.T) {
	tg := newTarget("shop", "a:1")
	c := &Console{scrapes: newLastScrapes()}
	sink := func(s *telemetry.Scrape) {
		t.Helper()
		if err := c.Sink(s); err != nil {
			t.Fatal(err)
		}
	}
	text := func() string {
		t.Helper()
		var b bytes.Buffer
		if _, err := writeTargets(&b, c.scrapes.read(), model.NoEscaping); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}

	sink(scrapeOf(tg, 1000, nil, map[string]float64{"early": 1}))
	if got := text(); got != "" {
		t.Errorf("kept a target nobody announced:\n%s", got)
	}

	c.SetTargets(map[string][]*telemetry.Target{"shop": {tg}})
	if got := text(); got != "" {
		t.Errorf("something to say before the first scrape:\n%s", got)
	}
	s := scrapeOf(tg, 1000, nil, map[string]float64{"up": 1, "x": 2})
	sink(s)
	s.Values[0], s.Values[1] = 77, 78 // the scraper uses its buffer again
	want := "# TYPE up untyped\nup{instance=\"a:1\"} 1 1000\n# TYPE x untyped\nx{instance=\"a:1\"} 2 1000\n"
	if diff := cmp.Diff(want, text()); diff != "" {
		t.Error(diff)
	}

	failed := scrapeOf(tg, 2000, nil, map[string]float64{"up": 0})
	failed.Failed = true
	failed.Rest = []telemetry.Sample{telemetry.Stale(labels.FromStrings("__name__", "x", "instance", "a:1"), 2000)}
	sink(failed)
	if diff := cmp.Diff("# TYPE up untyped\nup{instance=\"a:1\"} 0 2000\n", text()); diff != "" {
		t.Error(diff)
	}

	// The same target, found again, keeps what is known of it; one that is gone does not.
	again := newTarget("shop", "a:1")
	c.SetTargets(map[string][]*telemetry.Target{"shop": {again}})
	if !strings.Contains(text(), "up{") {
		t.Error("forgot a target that stayed")
	}
	c.SetTargets(nil)
	if got := text(); got != "" {
		t.Errorf("kept a target that is gone:\n%s", got)
	}
}

func TestWriteTargetsEscapesNames(t *testing.T) {
	lset := labels.FromStrings("__name__", "http.requests", "a b", "v", "c:d", "w", "instance", "a:1")
	s := &telemetry.Scrape{
		Target: newTarget("shop", "a:1"), TimeMs: 5, Values: []float64{1},
		Series: telemetry.NewSeriesSet([]labels.Labels{lset}, []*telemetry.Metadata{{Family: "http.requests", Type: model.MetricTypeGauge, Help: "h"}}),
	}
	for _, tc := range []struct {
		scheme model.EscapingScheme
		want   string
	}{
		{model.NoEscaping, `# HELP "http.requests" h
# TYPE "http.requests" gauge
{"http.requests","a b"="v","c:d"="w",instance="a:1"} 1 5
`},
		{model.UnderscoreEscaping, `# HELP http_requests h
# TYPE http_requests gauge
http_requests{a_b="v",c_d="w",instance="a:1"} 1 5
`},
		{model.DotsEscaping, `# HELP http_dot_requests h
# TYPE http_dot_requests gauge
http_dot_requests{a__b="v",c_d="w",instance="a:1"} 1 5
`},
	} {
		got, _ := render(t, tc.scheme, s)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%v: %s", tc.scheme, diff)
		}
	}
}

func TestWriteTargetsOmitsWhatNoParserTakes(t *testing.T) {
	ok := labels.FromStrings("__name__", "fine", "instance", "a:1")
	for name, tc := range map[string]struct {
		lset   labels.Labels
		ts     int64
		v      float64
		scheme model.EscapingScheme
		reason int
	}{
		"label value that is not UTF-8":       {labels.FromStrings("__name__", "x", "l", "\xff"), 1, 1, model.NoEscaping, omittedUnfit},
		"label name that is not UTF-8":        {labels.FromStrings("__name__", "x", "\xff", "l"), 1, 1, model.NoEscaping, omittedUnfit},
		"name with a null byte":               {labels.FromStrings("__name__", "x\x00"), 1, 1, model.NoEscaping, omittedUnfit},
		"label name with a null byte":         {labels.FromStrings("__name__", "x", "a\x00", "l"), 1, 1, model.NoEscaping, omittedUnfit},
		"no name":                             {labels.FromStrings("l", "v"), 1, 1, model.NoEscaping, omittedUnfit},
		"time before the epoch":               {labels.FromStrings("__name__", "x"), -1, 1, model.NoEscaping, omittedUnfit},
		"two labels become one":               {labels.FromStrings("__name__", "x", "a.b", "v", "a_b", "v"), 1, 1, model.UnderscoreEscaping, omittedUnfit},
		"staleness marker as an ordinary one": {labels.FromStrings("__name__", "x"), 1, math.Float64frombits(value.StaleNaN), model.NoEscaping, omittedStale},
	} {
		s := &telemetry.Scrape{Target: newTarget("shop", "a:1"), TimeMs: 1, Series: telemetry.NewSeriesSet([]labels.Labels{ok}, make([]*telemetry.Metadata, 1)), Values: []float64{1}}
		s.Rest = []telemetry.Sample{{Labels: tc.lset, TimeMs: tc.ts, Value: tc.v}}
		var b bytes.Buffer
		exps := store(t, s)
		if tc.reason == omittedStale { // the sink would have sorted it out
			exps[0].rest = s.Rest
			exps[0].restFamilies = groupRest(s.Rest)
			exps[0].omitted = [len(omissions)]int{}
		}
		omitted, err := writeTargets(&b, exps, tc.scheme)
		if err != nil {
			t.Fatal(err)
		}
		if want := "# TYPE fine untyped\nfine{instance=\"a:1\"} 1 1\n"; b.String() != want {
			t.Errorf("%s: got\n%s", name, b.String())
		}
		if omitted[tc.reason] != 1 {
			t.Errorf("%s: omitted %v", name, omitted)
		}
	}
}

func TestWriteTargetsReportsAReaderThatLeft(t *testing.T) {
	s := scrapeOf(newTarget("shop", "a:1"), 1, nil, map[string]float64{"x": 1})
	want := errors.New("gone")
	if _, err := writeTargets(failingWriter{want}, store(t, s), model.NoEscaping); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
