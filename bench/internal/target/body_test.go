package target

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// series parses a body and returns its values by series.
func series(t *testing.T, body []byte) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	put := func(name string, m *dto.Metric, le string, value float64) {
		key := name
		for _, l := range m.Label {
			key += "," + l.GetName() + "=" + l.GetValue()
		}
		key += ";" + le
		if _, ok := values[key]; ok {
			t.Errorf("series twice: %s", key)
		}
		values[key] = value
	}
	for name, f := range families {
		if f.GetHelp() == "" || f.GetType() == dto.MetricType_UNTYPED {
			t.Errorf("%s has no HELP or TYPE", name)
		}
		for _, m := range f.Metric {
			switch {
			case m.Counter != nil:
				put(name, m, "", m.Counter.GetValue())
			case m.Gauge != nil:
				put(name, m, "", m.Gauge.GetValue())
			case m.Histogram != nil:
				h := m.Histogram
				last := uint64(0)
				for _, b := range h.Bucket {
					if b.GetCumulativeCount() < last {
						t.Errorf("%s: bucket %g is smaller than the one before", name, b.GetUpperBound())
					}
					last = b.GetCumulativeCount()
					put(name, m, fmt.Sprint(b.GetUpperBound()), float64(last))
				}
				if last != h.GetSampleCount() {
					t.Errorf("%s: last bucket %d, count %d", name, last, h.GetSampleCount())
				}
				put(name, m, "sum", h.GetSampleSum())
				put(name, m, "count", float64(h.GetSampleCount()))
			}
		}
	}
	return values
}

func TestBodiesChangeAtTheirRate(t *testing.T) {
	for _, tc := range []struct {
		series int
		churn  float64
	}{{100, 0}, {500, 0}, {10_000, 0}, {10_000, 0.05}, {1000, 0.05}} {
		t.Run(fmt.Sprintf("%d series, %g new", tc.series, tc.churn), func(t *testing.T) {
			bodies := max(5, min(20, 20_000/tc.series)) // parsing takes its time
			b := NewBodies(tc.series, tc.churn, 1)
			serial, body := b.Next(nil)
			before := series(t, body)
			var changed, kept, fresh int
			for i := range bodies {
				if len(before) != tc.series || serial != i+1 {
					t.Fatalf("body %d, number %d: %d series, want %d", i+1, serial, len(before), tc.series)
				}
				serial, body = b.Next(body[:0])
				now := series(t, body)
				for key, value := range now {
					old, ok := before[key]
					switch {
					case !ok:
						fresh++
					case old != value:
						changed++
						kept++
					default:
						kept++
					}
				}
				before = now
			}
			if got := float64(changed) / float64(kept); math.Abs(got-ChangePart) > 0.012 {
				t.Errorf("%.3f of the values change, want %g", got, ChangePart)
			}
			if got := float64(fresh) / float64(bodies*tc.series); math.Abs(got-tc.churn) > 0.0005 {
				t.Errorf("%.4f of the series are new, want %g", got, tc.churn)
			}
		})
	}
}

func TestBodiesAreTheSameForEqualSeeds(t *testing.T) {
	a, b, other := NewBodies(500, 0.05, 7), NewBodies(500, 0.05, 7), NewBodies(500, 0.05, 8)
	for range 5 {
		_, one := a.Next(nil)
		_, two := b.Next(nil)
		_, three := other.Next(nil)
		if !bytes.Equal(one, two) {
			t.Fatal("two targets with one seed serve different bodies")
		}
		if bytes.Equal(one, three) {
			t.Fatal("two targets with different seeds serve one body")
		}
	}
}

// TestBodiesAreAsLargeAsOnesInPractice holds the length of lines, which decides what agents
// do: vmagent parses a body of a million bytes as a stream, at a third of the CPU time that
// it takes for a smaller one. Ten thousand series must be on its better side.
func TestBodiesAreAsLargeAsOnesInPractice(t *testing.T) {
	_, body := NewBodies(10_000, 0, 1).Next(nil)
	if n := len(body); n < 1_050_000 || n > 1_300_000 {
		t.Errorf("10,000 series are %d bytes, want 1.05 to 1.3 million", n)
	}
	t.Logf("%d bytes", len(body))
}

func BenchmarkNext(b *testing.B) {
	bodies := NewBodies(10_000, 0, 1)
	_, body := bodies.Next(nil)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		_, body = bodies.Next(body[:0])
	}
}
