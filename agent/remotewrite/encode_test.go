package remotewrite

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"outrider/telemetry"
)

var bothMessages = []message{v1, v2}

// testEncoder encodes scrapes and reads the requests back as a receiver does.
type testEncoder struct {
	t   *testing.T
	enc *encoder
	m   message
	lim limits
}

func newTestEncoder(t *testing.T, m message, external labels.Labels, rules ...*relabel.Config) *testEncoder {
	t.Helper()
	for _, r := range rules {
		if err := r.Validate(model.UTF8Validation); err != nil {
			t.Fatal(err)
		}
	}
	cfg := &Config{SendExemplars: true, SendNativeHistograms: true}
	return &testEncoder{t: t, enc: newEncoder(cfg, rules, external), m: m, lim: limits{samples: defaultRequestSamples, bytes: maxRequestBytes}}
}

func (te *testEncoder) records(s *telemetry.Scrape) (out []record, skipped skipCounts) {
	skipped = te.enc.encode(s, te.m, te.lim, func(r record) {
		r.data = bytes.Clone(r.data)
		out = append(out, r)
	})
	return out, skipped
}

func (te *testEncoder) encode(s *telemetry.Scrape) (out []plain, skipped skipCounts) {
	te.t.Helper()
	rs, skipped := te.records(s)
	for _, r := range rs {
		got := parseRequest(te.t, r.message.contentType(), r.data)
		checkRecord(te.t, r, got)
		out = append(out, got...)
	}
	return out, skipped
}

// checkRecord compares what a record says of itself with what is in it.
func checkRecord(t *testing.T, r record, got []plain) {
	t.Helper()
	c, sp := counts{}, newSpan()
	for _, p := range got {
		c.add(counts{series: 1, floats: len(p.Floats), histograms: len(p.Histograms), exemplars: len(p.Exemplars)})
		for _, f := range p.Floats {
			sp.add(f.TimeMs)
		}
		for _, h := range p.Histograms {
			sp.add(h.Timestamp)
		}
	}
	if c != r.counts || sp.minMs != r.minMs || sp.maxMs != r.maxMs {
		t.Errorf("record says %+v from %d to %d, holds %+v from %d to %d", r.counts, r.minMs, r.maxMs, c, sp.minMs, sp.maxMs)
	}
	if r.queued.IsZero() {
		t.Error("record has no time")
	}
}

// forMessage is what is left of want in a message: 1.0 carries no metadata.
func forMessage(m message, want []plain) []plain {
	out := append([]plain(nil), want...)
	for i := range out {
		switch {
		case m == v1:
			out[i].Type, out[i].Help, out[i].Unit = "", "", ""
		case out[i].Type == "":
			out[i].Type = "unknown"
		}
	}
	return out
}

func diff(want, got []plain) string {
	if slices.EqualFunc(want, got, alike) { // cmp takes long
		return ""
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b plainFloat) bool {
		return a.Bits == b.Bits && a.TimeMs == b.TimeMs
	}), cmp.Comparer(func(a, b prompb.Histogram) bool { return a.String() == b.String() }))
}

func alike(a, b plain) bool {
	return a.Labels == b.Labels && a.Type == b.Type && a.Help == b.Help && a.Unit == b.Unit &&
		slices.EqualFunc(a.Floats, b.Floats, func(a, b plainFloat) bool { return a.Bits == b.Bits && a.TimeMs == b.TimeMs }) &&
		slices.EqualFunc(a.Histograms, b.Histograms, func(a, b prompb.Histogram) bool { return a.String() == b.String() }) &&
		slices.Equal(a.Exemplars, b.Exemplars)
}

func TestEncodeFloats(t *testing.T) {
	set := telemetry.NewSeriesSet(
		[]labels.Labels{
			labels.FromStrings("__name__", "up", "instance", "a:1", "job", "checkout"),
			labels.FromStrings("__name__", "requests_total", "code", "200", "instance", "a:1", "job", "checkout"),
			labels.FromStrings("__name__", "kött", "with.dot", "ü\n\"", "job", "checkout"),
			labels.FromStrings("__name__", "zero"),
		},
		[]*telemetry.Metadata{nil, {Type: model.MetricTypeCounter, Help: "Requests.", Unit: "requests"}, {Type: model.MetricTypeGauge}, {Help: "Only help."}},
	)
	for _, m := range bothMessages {
		te := newTestEncoder(t, m, labels.EmptyLabels())
		for n, values := range [][]float64{
			{1, 17, math.Inf(1), 0},
			{0, 18.5, math.NaN(), math.Copysign(0, -1)},
			{1, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Float64frombits(value.StaleNaN)},
		} {
			ms := t0 + int64(n)*15_000
			got, skipped := te.encode(&telemetry.Scrape{Target: target("a:1"), TimeMs: ms, Series: set, Values: values})
			want := forMessage(m, []plain{
				{Labels: `{__name__="up", instance="a:1", job="checkout"}`, Floats: []plainFloat{floatAt(values[0], ms)}},
				{Labels: `{__name__="requests_total", code="200", instance="a:1", job="checkout"}`, Type: "counter", Help: "Requests.", Unit: "requests", Floats: []plainFloat{floatAt(values[1], ms)}},
				{Labels: `{__name__="kött", job="checkout", "with.dot"="ü\n\""}`, Type: "gauge", Floats: []plainFloat{floatAt(values[2], ms)}},
				{Labels: `{__name__="zero"}`, Help: "Only help.", Floats: []plainFloat{floatAt(values[3], ms)}},
			})
			if d := diff(want, got); d != "" {
				t.Errorf("%s, scrape %d (-want +got):\n%s", m, n, d)
			}
			if skipped != (skipCounts{}) {
				t.Errorf("%s: skipped %v", m, skipped)
			}
		}
	}
}

func TestEncodeTimestampLengths(t *testing.T) {
	// The encoded length of a timestamp is part of a shape.
	for _, m := range bothMessages {
		te := newTestEncoder(t, m, labels.EmptyLabels())
		set := seriesSet(3)
		for _, ms := range []int64{1, 127, 128, 1 << 20, t0, 1 << 42, math.MaxInt64} {
			got, _ := te.encode(&telemetry.Scrape{Target: target("a:1"), TimeMs: ms, Series: set, Values: []float64{1, 2, 3}})
			if len(got) != 3 || got[2].Floats[0] != floatAt(3, ms) {
				t.Errorf("%s at %d: got %+v", m, ms, got)
			}
		}
	}
}

func rule(action relabel.Action, source, regex, target, replacement string) *relabel.Config {
	c := relabel.DefaultRelabelConfig
	c.Action, c.TargetLabel, c.Replacement = action, target, replacement
	if source != "" {
		c.SourceLabels = model.LabelNames{model.LabelName(source)}
	}
	c.Regex = relabel.MustNewRegexp(regex)
	return &c
}

func TestEncodeRelabelling(t *testing.T) {
	set := telemetry.NewSeriesSet([]labels.Labels{
		labels.FromStrings("__name__", "keep", "pod", "a", "shop", "x"),
		labels.FromStrings("__name__", "debug_x", "pod", "a"),
		labels.FromStrings("__name__", "keep", "pod", "b", "shop", "x"), // a duplicate once pod is dropped
		labels.FromStrings("__name__", "last", "cluster", "own"),
		labels.FromStrings("__name__", "bad", "l", "\xff"),
		labels.FromStrings("nameless", "x"),
	}, make([]*telemetry.Metadata, 6))
	for _, m := range bothMessages {
		te := newTestEncoder(t, m, labels.FromStrings("cluster", "prod", "shop", "external"),
			rule(relabel.Drop, "__name__", "debug_.*", "", "$1"), rule(relabel.LabelDrop, "", "pod", "", "$1"))
		s := &telemetry.Scrape{Target: target("a:1"), TimeMs: t0, Series: set, Values: []float64{1, 2, 3, 4, 5, 6}, Rest: []telemetry.Sample{
			{Labels: labels.FromStrings("__name__", "keep", "pod", "c", "shop", "x"), TimeMs: t0 + 1, Value: 7}, // duplicate of a plain one
			{Labels: labels.FromStrings("__name__", "own", "pod", "c"), TimeMs: t0 - 1, Value: 8},
			{Labels: labels.FromStrings("__name__", "own", "pod", "d"), TimeMs: t0 - 1, Value: 9}, // duplicate
			telemetry.Stale(labels.FromStrings("__name__", "last", "pod", "gone", "cluster", "own"), t0),
			telemetry.Stale(labels.FromStrings("__name__", "debug_y"), t0),
			telemetry.Stale(labels.FromStrings("__name__", "left", "pod", "z"), t0),
		}}
		for n := range 2 { // the second time from the cache
			got, skipped := te.encode(s)
			want := []plain{
				{Labels: `{__name__="keep", cluster="prod", shop="x"}`, Floats: []plainFloat{floatAt(1, s.TimeMs)}},
				{Labels: `{__name__="last", cluster="own", shop="external"}`, Floats: []plainFloat{floatAt(4, s.TimeMs)}},
			}
			wantSkipped := skipCounts{skipRelabelled: 2, skipDuplicate: 4, skipInvalid: 2}
			if n == 0 {
				want = append(want, plain{Labels: `{__name__="own", cluster="prod", shop="external"}`, Floats: []plainFloat{floatAt(8, t0-1)}})
			} else {
				wantSkipped[skipRepeated] = 2 // both have not advanced
				wantSkipped[skipDuplicate]--
			}
			want = append(want, plain{Labels: `{__name__="left", cluster="prod", shop="external"}`, Floats: []plainFloat{floatAt(math.Float64frombits(value.StaleNaN), s.TimeMs)}})
			if d := diff(forMessage(m, want), got); d != "" {
				t.Errorf("%s, scrape %d (-want +got):\n%s", m, n, d)
			}
			if skipped != wantSkipped {
				t.Errorf("%s, scrape %d: skipped %v, want %v", m, n, skipped, wantSkipped)
			}
			s.TimeMs += 1000
			for i := range s.Rest {
				if s.Rest[i].IsStale() {
					s.Rest[i].TimeMs += 1000
				}
			}
		}
	}
}

func TestEncodeSplits(t *testing.T) {
	for _, m := range bothMessages {
		te := newTestEncoder(t, m, labels.EmptyLabels())
		set := seriesSet(25)
		sizes := func(ms int64, rest int) (out []int) {
			s := scrapeOf(target("a:1"), set, ms)
			for i := range rest {
				s.Rest = append(s.Rest, telemetry.Stale(labels.FromStrings("__name__", fmt.Sprintf("gone%d", i)), ms))
			}
			rs, _ := te.records(s)
			seen := make(map[string]bool)
			for _, r := range rs {
				got := parseRequest(t, r.message.contentType(), r.data)
				checkRecord(t, r, got)
				out = append(out, len(got))
				for _, p := range got {
					if seen[p.Labels] {
						t.Errorf("%s is sent twice", p.Labels)
					}
					seen[p.Labels] = true
				}
			}
			if len(seen) != 25+rest {
				t.Errorf("%s: %d series arrived, want %d", m, len(seen), 25+rest)
			}
			return out
		}
		te.lim.samples = 10
		for _, c := range []struct {
			rest int
			want string
		}{{0, "[9 9 7]"}, {3, "[9 9 10]"}, {4, "[9 9 7 4]"}, {12, "[9 9 7 10 2]"}} {
			if got := fmt.Sprint(sizes(t0+int64(c.rest)*1000, c.rest)); got != c.want {
				t.Errorf("%s: requests hold %s series, want %s", m, got, c.want)
			}
		}
		te.lim = limits{samples: 10_000, bytes: 400} // of one series about 90
		if got := sizes(t0+100_000, 3); len(got) < 4 {
			t.Errorf("%s: requests of %v series are too large", m, got)
		}
	}
}

func TestEncodeKeepsNothingOfTheScrape(t *testing.T) {
	te := newTestEncoder(t, v1, labels.EmptyLabels())
	s := scrapeOf(target("a:1"), seriesSet(2), t0)
	s.Rest = []telemetry.Sample{{Labels: labels.FromStrings("__name__", "h"), Kind: telemetry.KindHistogram, TimeMs: t0, Histogram: &histogram.Histogram{
		Count: 1, Sum: 1, PositiveSpans: []histogram.Span{{Length: 1}}, PositiveBuckets: []int64{1},
	}}}
	rs, _ := te.records(s)
	before := parseRequest(t, "", rs[0].data)
	s.Values[0], s.Rest[0].Histogram.PositiveBuckets[0] = 99, 99
	te.records(scrapeOf(target("b:1"), seriesSet(50), t0)) // goes through the same scratch memory
	if d := diff(before, parseRequest(t, "", rs[0].data)); d != "" {
		t.Errorf("a queued record changed (-before +after):\n%s", d)
	}
}

func TestSymbols(t *testing.T) {
	s := newSymbols(nil)
	long := strings.Repeat("x", 100) + "y"
	if s.ref(long[99:]) != 1 || s.ref("xy") != 1 || s.ref("") != 0 {
		t.Error("references are wrong")
	}
	over := newSymbols(s)
	if over.ref("xy") != 1 || over.ref("new") != 2 || s.ref("other") != 2 || over.ref("new") != 2 {
		t.Error("references of an extended table are wrong")
	}
}
