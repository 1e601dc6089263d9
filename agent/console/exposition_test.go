package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
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

// line is one sample as a reader of the text sees it.
type line struct {
	Labels string
	Bits   uint64
	TimeMs int64
}

func parseText(t testing.TB, text []byte) []line {
	t.Helper()
	p, err := textparse.New(text, string(fmtText1), labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []line
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("does not parse: %v\n%q", err, text)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, ts, v := p.Series()
		var lset labels.Labels
		p.Labels(&lset)
		if ts == nil {
			t.Fatalf("%s has no timestamp", lset)
		}
		out = append(out, line{lset.String(), math.Float64bits(v), *ts})
	}
}

func sortLines(ls []line) []line {
	slices.SortFunc(ls, func(a, b line) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return ls
}

// TestWriteTargetsRoundTrip renders random shapes and wants Prometheus's parser to see the
// very same samples.
func TestWriteTargetsRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "b_c", "Z9", ":", ".", " ", "ü", "\n", `\`, `"`, "{", "}", ",", "=", "\r", "\t", "#"}
	word := func(plain bool) string {
		s := "x"
		for range rnd.IntN(5) {
			if plain {
				s += alphabet[rnd.IntN(3)]
			} else {
				s += alphabet[rnd.IntN(len(alphabet))]
			}
		}
		return s
	}
	special := []float64{0, math.Copysign(0, -1), 1, -1, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, math.SmallestNonzeroFloat64, 1e21, 0.1}
	float := func() float64 {
		if rnd.IntN(3) == 0 {
			return special[rnd.IntN(len(special))]
		}
		return rnd.NormFloat64() * math.Pow(10, float64(rnd.IntN(40)-20))
	}
	canonical := func(v float64) uint64 {
		if math.IsNaN(v) {
			return value.NormalNaN
		}
		return math.Float64bits(v)
	}
	types := []model.MetricType{model.MetricTypeCounter, model.MetricTypeGauge, model.MetricTypeHistogram, model.MetricTypeSummary, model.MetricTypeUnknown, model.MetricTypeInfo, model.MetricTypeStateset, model.MetricTypeGaugeHistogram}
	for range 300 {
		var scrapes []*telemetry.Scrape
		var want []line
		for n := range 1 + rnd.IntN(3) {
			tg := newTarget("shop", fmt.Sprintf("host%d:1", n))
			s := &telemetry.Scrape{Target: tg, TimeMs: rnd.Int64N(1 << 45)}
			var lsets []labels.Labels
			var mds []*telemetry.Metadata
			for i := range rnd.IntN(20) {
				lset := labels.FromMap(map[string]string{
					"__name__": word(i%2 == 0), "instance": tg.Instance(), "n": fmt.Sprint(i), word(i%3 == 0): word(false),
				})
				var md *telemetry.Metadata
				if rnd.IntN(4) > 0 {
					md = &telemetry.Metadata{Family: lset.Get("__name__"), Type: types[rnd.IntN(len(types))], Help: word(false)}
				}
				v := float()
				if rnd.IntN(4) == 0 {
					ts := rnd.Int64N(1 << 45)
					s.Rest = append(s.Rest, telemetry.Sample{Labels: lset, Metadata: md, TimeMs: ts, Value: v})
					want = append(want, line{lset.String(), canonical(v), ts})
					continue
				}
				lsets, mds, s.Values = append(lsets, lset), append(mds, md), append(s.Values, v)
				want = append(want, line{lset.String(), canonical(v), s.TimeMs})
			}
			s.Series = telemetry.NewSeriesSet(lsets, mds)
			scrapes = append(scrapes, s)
		}
		text, omitted := render(t, model.NoEscaping, scrapes...)
		if omitted != [len(omissions)]int{} {
			t.Fatalf("omitted %v", omitted)
		}
		if diff := cmp.Diff(sortLines(want), sortLines(parseText(t, []byte(text)))); diff != "" {
			t.Fatalf("%s\n%s", diff, text)
		}
		again, _ := render(t, model.NoEscaping, scrapes...)
		if again != text {
			t.Fatal("rendered differently the second time")
		}
	}
}

func FuzzWriteTargets(f *testing.F) {
	f.Add("up", "instance", "a:1", "help", 1.0, int64(1))
	f.Add("http.requests", "a b", "\"\\\n", "\x00", math.Inf(-1), int64(0))
	f.Add("a\x00", "l", "\xff\xfe", "\r\n", math.NaN(), int64(-1))
	f.Add(`"`, `\`, "\\\x00", " leading", 0.1, int64(math.MaxInt64))
	f.Add("", "", "", "", 0.0, int64(0))
	f.Add("x", "a_b", "c\x00", "", 1.5, int64(7))
	f.Fuzz(func(t *testing.T, name, label, val, help string, v float64, ts int64) {
		if label == "__name__" || label == "instance" || val == "" {
			t.Skip("not a label set that labels makes")
		}
		lset := labels.FromStrings("__name__", name, label, val)
		other := labels.FromStrings("__name__", "zz_last", "instance", "a:1")
		s := &telemetry.Scrape{
			Target: newTarget("shop", "a:1"), TimeMs: 9, Values: []float64{4},
			Series: telemetry.NewSeriesSet([]labels.Labels{other}, []*telemetry.Metadata{nil}),
			Rest: []telemetry.Sample{{
				Labels: lset, TimeMs: ts, Value: v,
				Metadata: &telemetry.Metadata{Family: name, Type: model.MetricTypeGauge, Help: help},
			}},
		}
		for _, scheme := range []model.EscapingScheme{model.NoEscaping, model.UnderscoreEscaping, model.DotsEscaping, model.ValueEncodingEscaping} {
			text, omitted := render(t, scheme, s)
			got := parseText(t, []byte(text))
			if n := len(got) + omitted[omittedStale] + omitted[omittedUnfit]; n != 2 {
				t.Fatalf("%v: %d of 2 samples accounted for\n%q", scheme, n, text)
			}
			if scheme != model.NoEscaping || len(got) == 1 {
				continue
			}
			bits := math.Float64bits(v)
			if math.IsNaN(v) {
				bits = value.NormalNaN
			}
			want := []line{{lset.String(), bits, ts}, {other.String(), math.Float64bits(4), 9}}
			if diff := cmp.Diff(sortLines(want), sortLines(got)); diff != "" {
				t.Fatalf("%s\n%q", diff, text)
			}
		}
	})
}
