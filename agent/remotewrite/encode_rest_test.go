package remotewrite

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"outrider/telemetry"
)

func TestEncodeNativeHistograms(t *testing.T) {
	h := &histogram.Histogram{
		CounterResetHint: histogram.NotCounterReset, Schema: 3, ZeroThreshold: 1e-128, ZeroCount: 2, Count: 21, Sum: -5.5,
		PositiveSpans: []histogram.Span{{Offset: -3, Length: 2}, {Offset: 1, Length: 1}}, PositiveBuckets: []int64{5, -2, 3},
		NegativeSpans: []histogram.Span{{Offset: 0, Length: 2}}, NegativeBuckets: []int64{1, 4},
	}
	fh := &histogram.FloatHistogram{
		CounterResetHint: histogram.GaugeType, Schema: -4, ZeroThreshold: 0.001, ZeroCount: 0.5, Count: 9.25, Sum: math.Inf(-1),
		PositiveSpans: []histogram.Span{{Offset: 2, Length: 2}}, PositiveBuckets: []float64{1.5, 2.25},
		NegativeSpans: []histogram.Span{{Offset: -1, Length: 1}}, NegativeBuckets: []float64{5},
	}
	custom := &histogram.Histogram{
		Schema: histogram.CustomBucketsSchema, Count: 6, Sum: 3,
		PositiveSpans: []histogram.Span{{Offset: 0, Length: 3}}, PositiveBuckets: []int64{1, 1, 1}, CustomValues: []float64{0.1, 0.5, 2.5},
	}
	empty := &histogram.Histogram{}
	stale := &histogram.Histogram{Sum: math.Float64frombits(value.StaleNaN)}
	floatCustom := &histogram.FloatHistogram{
		Schema: histogram.CustomBucketsSchema, Count: 3, Sum: 2,
		PositiveSpans: []histogram.Span{{Offset: 1, Length: 1}}, PositiveBuckets: []float64{3}, CustomValues: []float64{1, 2},
	}
	name := func(s string) labels.Labels { return labels.FromStrings("__name__", s, "job", "checkout") }
	md := &telemetry.Metadata{Type: model.MetricTypeHistogram, Help: "A histogram."}
	rest := []telemetry.Sample{
		{Labels: name("h"), Metadata: md, Kind: telemetry.KindHistogram, TimeMs: t0, Histogram: h,
			Exemplars: []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", "x"), Value: 2, Ts: t0 - 10, HasTs: true}}},
		{Labels: name("fh"), Metadata: md, Kind: telemetry.KindFloatHistogram, TimeMs: t0, FloatHistogram: fh},
		{Labels: name("custom"), Metadata: md, Kind: telemetry.KindHistogram, TimeMs: t0, Histogram: custom},
		{Labels: name("empty"), Kind: telemetry.KindHistogram, TimeMs: t0, Histogram: empty},
		{Labels: name("stale"), Kind: telemetry.KindHistogram, TimeMs: t0, Histogram: stale},
		{Labels: name("float_custom"), Kind: telemetry.KindFloatHistogram, TimeMs: t0, FloatHistogram: floatCustom},
	}
	type back struct {
		int   *histogram.Histogram
		float *histogram.FloatHistogram
	}
	want := []back{{int: h}, {float: fh}, {int: custom}, {int: empty}, {int: stale}, {float: floatCustom}}
	for _, m := range bothMessages {
		te := newTestEncoder(t, m, labels.EmptyLabels())
		got, _ := te.encode(&telemetry.Scrape{Target: target("a:1"), TimeMs: t0, Series: seriesSet(0), Rest: rest})
		if len(got) != len(want) {
			t.Fatalf("%s: got %d series", m, len(got))
		}
		for i, g := range got {
			if len(g.Histograms) != 1 || g.Histograms[0].Timestamp != t0 {
				t.Fatalf("%s: series %s has histograms %v", m, g.Labels, g.Histograms)
			}
			pb := g.Histograms[0]
			switch w := want[i]; {
			case w.int != nil:
				// Validity is Prometheus's own idea of it, equality bit for bit.
				if pb.IsFloatHistogram() || !pb.ToIntHistogram().Equals(w.int) || pb.ToIntHistogram().CounterResetHint != w.int.CounterResetHint {
					t.Errorf("%s %s: got %v, want %v", m, g.Labels, pb.ToIntHistogram(), w.int)
				}
			default:
				if !pb.IsFloatHistogram() || !pb.ToFloatHistogram().Equals(w.float) || pb.ToFloatHistogram().CounterResetHint != w.float.CounterResetHint {
					t.Errorf("%s %s: got %v, want %v", m, g.Labels, pb.ToFloatHistogram(), w.float)
				}
			}
		}
		if d := cmp.Diff([]plainExemplar{{`{trace_id="x"}`, 2, t0 - 10}}, got[0].Exemplars); d != "" {
			t.Errorf("%s: exemplars (-want +got):\n%s", m, d)
		}
		te = newTestEncoder(t, m, labels.EmptyLabels())
		te.enc.histograms = false
		got, skipped := te.encode(&telemetry.Scrape{Target: target("a:1"), TimeMs: t0, Series: seriesSet(1), Values: []float64{1}, Rest: rest})
		if len(got) != 1 || skipped[skipHistogram] != len(rest) {
			t.Errorf("%s: histograms are off, got %d series, skipped %v", m, len(got), skipped)
		}
	}
}

func TestEncodeExemplars(t *testing.T) {
	for _, m := range bothMessages {
		te := newTestEncoder(t, m, labels.EmptyLabels())
		te.lim.samples = 4 // three pages
		set := seriesSet(10)
		tgt := target("a:1")
		ex := func(id string, v float64, ms int64) exemplar.Exemplar {
			return exemplar.Exemplar{Labels: labels.FromStrings("trace_id", id), Value: v, Ts: ms, HasTs: ms != 0}
		}
		of := func(i int, es ...exemplar.Exemplar) telemetry.Sample {
			return telemetry.Sample{Labels: set.At(i), Kind: telemetry.KindExemplar, TimeMs: t0, Exemplars: es}
		}
		encode := func(ms int64, rest ...telemetry.Sample) map[string][]plainExemplar {
			for i := range rest {
				rest[i].TimeMs = ms
			}
			s := scrapeOf(tgt, set, ms)
			s.Rest = rest
			got, _ := te.encode(s)
			out := make(map[string][]plainExemplar)
			for i, p := range got {
				if want := scrapeOf(tgt, set, ms).Values[i]; p.Floats[0] != floatAt(want, ms) {
					t.Errorf("%s: series %d has %v", m, i, p.Floats)
				}
				if len(p.Exemplars) > 0 {
					out[p.Labels[len(`{__name__="`):len(`{__name__="mX`)]] = p.Exemplars
				}
			}
			return out
		}
		a := `{trace_id="a"}`
		for _, step := range []struct {
			what string
			ms   int64
			rest []telemetry.Sample
			want map[string][]plainExemplar
		}{
			{
				"of several pages, in any order", t0,
				[]telemetry.Sample{of(9, ex("a", 1, t0-5)), of(0, ex("a", 2, t0-5)), of(3, ex("a", 3, 0)), of(4, ex("b", 5, t0-1), ex("a", 4, t0-7))},
				map[string][]plainExemplar{"m9": {{a, 1, t0 - 5}}, "m0": {{a, 2, t0 - 5}}, "m3": {{a, 3, t0}}, "m4": {{a, 4, t0 - 7}, {`{trace_id="b"}`, 5, t0 - 1}}},
			},
			{
				"shown again", t0 + 1000,
				[]telemetry.Sample{of(9, ex("a", 1, t0-5)), of(3, ex("a", 3, 0)), of(4, ex("b", 5, t0-1), ex("a", 4, t0-7))},
				map[string][]plainExemplar{},
			},
			{
				"one new among old ones", t0 + 2000,
				[]telemetry.Sample{of(4, ex("a", 6, t0+1500), ex("b", 5, t0-1)), of(3, ex("a", 3.5, 0)), {Labels: labels.FromStrings("__name__", "nobody"), Kind: telemetry.KindExemplar, Exemplars: []exemplar.Exemplar{ex("a", 1, t0)}}},
				map[string][]plainExemplar{"m4": {{a, 6, t0 + 1500}}, "m3": {{a, 3.5, t0 + 2000}}},
			},
		} {
			if d := cmp.Diff(step.want, encode(step.ms, step.rest...)); d != "" {
				t.Errorf("%s: %s (-want +got):\n%s", m, step.what, d)
			}
		}
		te.enc.exemplars = false
		if got := encode(t0+3000, of(1, ex("z", 1, t0+2500))); len(got) != 0 {
			t.Errorf("%s: exemplars are off, got %v", m, got)
		}
	}
}

func TestEncodeTimeOnlyAdvances(t *testing.T) {
	for _, m := range bothMessages {
		te := newTestEncoder(t, m, labels.EmptyLabels())
		tgt := target("a:1")
		own := labels.FromStrings("__name__", "own")
		scrape := func(ms, ownMs int64) *telemetry.Scrape {
			s := scrapeOf(tgt, seriesSet(2), ms)
			s.Rest = []telemetry.Sample{{Labels: own, TimeMs: ownMs, Value: 1}}
			return s
		}
		for i, step := range []struct {
			ms, own  int64
			series   int
			repeated int
		}{
			{t0, t0 - 5000, 3, 0},
			{t0, t0 - 4000, 0, 3},         // the whole scrape does not advance
			{t0 - 1, t0 - 4000, 0, 3},     // nor does this one
			{t0 + 1000, t0 - 5000, 2, 1},  // own timestamp repeated
			{t0 + 2000, t0 - 6000, 2, 1},  // own timestamp goes back
			{t0 + 3000, t0 - 4999, 3, 0},  // and forward again
			{t0 + 4000, t0 + 90000, 3, 0}, // in the future
			{t0 + 5000, t0 + 5000, 2, 1},  // at the time of the scrape, but behind that
		} {
			got, skipped := te.encode(scrape(step.ms, step.own))
			if len(got) != step.series || skipped[skipRepeated] != step.repeated {
				t.Errorf("%s, step %d: %d series, skipped %v; want %d and %d", m, i, len(got), skipped, step.series, step.repeated)
			}
		}
		// A series that had the time of the scrape and now has its own, an older one.
		s := scrapeOf(tgt, seriesSet(1), t0+10_000)
		s.Rest = []telemetry.Sample{{Labels: seriesSet(2).At(1), TimeMs: t0 + 4500, Value: 1}}
		if _, skipped := te.encode(s); skipped[skipRepeated] != 1 {
			t.Errorf("%s: a series went back in time: %v", m, skipped)
		}
		// A series with its own timestamps ends at the time of the scrape, and must not come back
		// with an older one.
		ended := labels.FromStrings("__name__", "ended")
		for i, step := range []struct {
			ms, own  int64
			repeated int
		}{{t0 + 11_000, t0, 0}, {t0 + 12_000, t0 + 12_000, 0}, {t0 + 13_000, t0 + 11_000, 1}, {t0 + 14_000, t0 + 12_001, 0}} {
			s := scrapeOf(tgt, seriesSet(1), step.ms)
			s.Rest = []telemetry.Sample{{Labels: ended, TimeMs: step.own, Value: 1}}
			if _, skipped := te.encode(s); skipped[skipRepeated] != step.repeated {
				t.Errorf("%s, ended series, step %d: skipped %v", m, i, skipped)
			}
		}
		// The same target as another value is the same target.
		if _, skipped := te.encode(scrapeOf(target("a:1"), seriesSet(2), t0+14_000)); skipped[skipRepeated] != 2 {
			t.Errorf("%s: cache of the target is lost: %v", m, skipped)
		}
		if _, skipped := te.encode(scrapeOf(target("b:1"), seriesSet(2), t0)); skipped != (skipCounts{}) {
			t.Errorf("%s: targets are mixed up: %v", m, skipped)
		}
		if n := len(te.enc.targets); n != 2 {
			t.Errorf("%s: %d targets are cached, want 2", m, n)
		}
	}
}

// Once a clock was set far back its new time counts, for all that has a time.
func TestClockReset(t *testing.T) {
	for _, m := range []message{v1, v2} {
		te := newTestEncoder(t, m, labels.EmptyLabels())
		tgt, set := target("a:1"), seriesSet(3)
		own := labels.FromStrings("__name__", "own")
		at := func(ms int64, reset bool) *telemetry.Scrape {
			s := scrapeOf(tgt, set, ms)
			s.ClockReset = reset
			s.Rest = []telemetry.Sample{
				{Labels: own, TimeMs: ms - 5, Value: 1},
				{Labels: set.At(0), Kind: telemetry.KindExemplar, Exemplars: []exemplar.Exemplar{{Labels: labels.FromStrings("id", "x"), Value: 1, Ts: ms - 3, HasTs: true}}},
			}
			return s
		}
		const hours = 2 * 3_600_000
		for _, c := range []struct {
			ms    int64
			reset bool
			want  int // samples, and as many skipped if 0
		}{
			{t0, false, 4},
			{t0 - hours, false, 0}, // not said, not believed
			{t0 - hours + 1000, true, 4},
			{t0 - hours + 2000, false, 4},
			{t0 - hours, false, 0},
		} {
			rs, skipped := te.records(at(c.ms, c.reset))
			n, exemplars := 0, 0
			for _, r := range rs {
				n += r.counts.samples()
				exemplars += r.counts.exemplars
			}
			if n != c.want || skipped[skipRepeated] != 4-c.want || exemplars != c.want/4 {
				t.Errorf("%s: at %d: %d samples, %d exemplars, skipped %v; want %d samples", m, c.ms-t0, n, exemplars, skipped, c.want)
			}
		}
	}
}
