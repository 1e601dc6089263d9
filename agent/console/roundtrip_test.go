package console

import (
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
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"

	"outrider/telemetry"
)

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
