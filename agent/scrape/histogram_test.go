package scrape

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/value"
	"google.golang.org/protobuf/types/known/timestamppb"

	"outrider/telemetry"
)

// protobuf encodes families as a service does.
func protobuf(t testing.TB, families ...*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// gathered encodes a registry.
func gathered(t testing.TB, reg prometheus.Gatherer) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return protobuf(t, families...)
}

func nativeHistogram(reg prometheus.Registerer, classic bool) prometheus.Histogram {
	opts := prometheus.HistogramOpts{Name: "latency_seconds", Help: "Latency.", NativeHistogramBucketFactor: 2}
	if classic {
		opts.Buckets = []float64{1}
	}
	h := prometheus.NewHistogram(opts)
	reg.MustRegister(h)
	return h
}

func TestNativeHistogram(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := nativeHistogram(reg, true)
	h.Observe(0.5)
	h.(prometheus.ExemplarObserver).ObserveWithExemplar(3, prometheus.Labels{"id": "x"})
	body := gathered(t, reg)

	t.Run("native", func(t *testing.T) {
		s := newSession(t, &Config{ScrapeNativeHistograms: new(true)})
		s.timeMs = time.Now().UnixMilli()
		sc := s.mustScrape(body, protoText)
		if sc.Series.Len() != 5 || len(sc.Rest) != 1 {
			t.Fatalf("got %s", dump(sc))
		}
		r := sc.Rest[0]
		if r.Kind != telemetry.KindHistogram || r.TimeMs != sc.TimeMs || r.Histogram.Count != 2 || r.Histogram.Sum != 3.5 {
			t.Errorf("got %s", dump(sc))
		}
		if r.Metadata == nil || r.Metadata.Family != "latency_seconds" || r.Metadata.Help != "Latency." {
			t.Errorf("metadata %+v", r.Metadata)
		}
		if len(r.Exemplars) != 1 || r.Exemplars[0].Value != 3 || r.Exemplars[0].Labels.Get("id") != "x" {
			t.Errorf("exemplars %v", r.Exemplars)
		}
		if sc = s.mustScrape(body, protoText); len(sc.Rest) != 1 || sc.Rest[0].Exemplars != nil {
			t.Errorf("the same exemplar again: %s", dump(sc))
		}
		if got := markers(s.mustScrape("", protoText)); got != "latency_seconds" {
			t.Errorf("ended %q", got)
		}
	})
	t.Run("classic only", func(t *testing.T) {
		s := newSession(t, &Config{})
		sc := s.mustScrape(body, protoText)
		const want = `{__name__="latency_seconds_count", instance="pod-1:8080", job="checkout"} 2 # latency_seconds histogram "Latency." ""
{__name__="latency_seconds_sum", instance="pod-1:8080", job="checkout"} 3.5 # latency_seconds histogram "Latency." ""
{__name__="latency_seconds_bucket", instance="pod-1:8080", job="checkout", le="1.0"} 1 # latency_seconds histogram "Latency." ""
{__name__="latency_seconds_bucket", instance="pod-1:8080", job="checkout", le="+Inf"} 2 # latency_seconds histogram "Latency." ""
`
		plain, _, _ := strings.Cut(dump(sc), "rest ")
		if diff := cmp.Diff(want, plain); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("both", func(t *testing.T) {
		s := newSession(t, &Config{ScrapeNativeHistograms: new(true), AlwaysScrapeClassicHistograms: new(true)})
		sc := s.mustScrape(body, protoText)
		if sc.Series.Len() != 4+5 || len(sc.Rest) == 0 || sc.Rest[0].Kind != telemetry.KindHistogram {
			t.Errorf("got %s", dump(sc))
		}
	})
}

func TestFloatHistogram(t *testing.T) {
	name, typ := "h", dto.MetricType_GAUGE_HISTOGRAM
	h := &dto.Histogram{
		SampleCountFloat: new(3.5), SampleSum: new(7.0), Schema: new(int32(0)), ZeroThreshold: new(0.001), ZeroCountFloat: new(0.5),
		PositiveSpan: []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(2))}}, PositiveCount: []float64{1, 2},
	}
	body := protobuf(t, &dto.MetricFamily{Name: &name, Type: &typ, Metric: []*dto.Metric{{Histogram: h, TimestampMs: new(int64(testStartMs - 5))}}})

	s := newSession(t, &Config{ScrapeNativeHistograms: new(true), HonorTimestamps: true})
	sc := s.mustScrape(body, protoText)
	if len(sc.Rest) != 1 || sc.Rest[0].Kind != telemetry.KindFloatHistogram || sc.Rest[0].FloatHistogram.Count != 3.5 || sc.Rest[0].TimeMs != testStartMs-5 {
		t.Fatalf("got %s", dump(sc))
	}
}

func TestServiceCannotEndItsHistogram(t *testing.T) {
	stale := new(math.Float64frombits(value.StaleNaN))
	spans := []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(1))}}
	for name, h := range map[string]*dto.Histogram{
		"integer": {SampleCount: new(uint64(1)), SampleSum: stale, PositiveSpan: spans, PositiveDelta: []int64{1}},
		"float":   {SampleCountFloat: new(1.0), SampleSum: stale, PositiveSpan: spans, PositiveCount: []float64{1}},
	} {
		s := newSession(t, &Config{ScrapeNativeHistograms: new(true)})
		sc := s.mustScrape(protobuf(t, &dto.MetricFamily{Name: &name, Type: new(dto.MetricType_HISTOGRAM), Metric: []*dto.Metric{{Histogram: h}}}), protoText)
		for _, r := range sc.Rest {
			if r.Histogram != nil && value.IsStaleNaN(r.Histogram.Sum) || r.FloatHistogram != nil && value.IsStaleNaN(r.FloatHistogram.Sum) {
				t.Errorf("%s: a service can end its histogram", name)
			}
		}
	}
}

func TestExemplarsOfHistogramInOrder(t *testing.T) {
	var exemplars []*dto.Exemplar
	for _, second := range []int64{30, 20, 10} {
		exemplars = append(exemplars, &dto.Exemplar{Value: new(1.0), Timestamp: &timestamppb.Timestamp{Seconds: testStartMs/1000 - 100 + second}})
	}
	exemplars = append(exemplars, &dto.Exemplar{Value: new(1.0)}) // no telling whether it is new
	scrape := func(s *session, exemplars []*dto.Exemplar) (seconds []int64) {
		h := &dto.Histogram{SampleCount: new(uint64(0)), ZeroThreshold: new(0.001), Exemplars: exemplars}
		sc := s.mustScrape(protobuf(t, &dto.MetricFamily{Name: new("h"), Type: new(dto.MetricType_HISTOGRAM), Metric: []*dto.Metric{{Histogram: h}}}), protoText)
		for _, e := range sc.Rest[0].Exemplars {
			seconds = append(seconds, e.Ts/1000-testStartMs/1000+100)
		}
		return seconds
	}
	s := newSession(t, &Config{ScrapeNativeHistograms: new(true)})
	if diff := cmp.Diff([]int64{10, 20}, scrape(s, exemplars[1:])); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{30}, scrape(s, exemplars)); diff != "" {
		t.Error(diff)
	}
}

// The parser checks the spans of a histogram only where it is the first of its family.
func TestBrokenNativeHistograms(t *testing.T) {
	name, typ := "h", dto.MetricType_HISTOGRAM
	metric := func(spanLength uint32, deltas ...int64) *dto.Metric {
		return &dto.Metric{Histogram: &dto.Histogram{
			SampleCount: new(uint64(1)), SampleSum: new(1.0), Schema: new(int32(0)), ZeroThreshold: new(0.001),
			PositiveSpan: []*dto.BucketSpan{{Offset: new(int32(0)), Length: &spanLength}}, PositiveDelta: deltas,
		}}
	}
	label := func(m *dto.Metric) *dto.Metric {
		m.Label = []*dto.LabelPair{{Name: new("n"), Value: new("2")}}
		return m
	}
	for _, tc := range []struct {
		name    string
		metrics []*dto.Metric
		reason  reason
	}{
		{"first", []*dto.Metric{metric(5, 1)}, reasonParse},
		{"second", []*dto.Metric{metric(1, 1), label(metric(5, 1))}, reasonSeries},
		{"second, enormous", []*dto.Metric{metric(1, 1), label(metric(math.MaxUint32, 1))}, reasonSeries},
		{"buckets against count", []*dto.Metric{metric(1, 17)}, reasonSeries},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSession(t, &Config{ScrapeNativeHistograms: new(true)})
			sc := s.scrape(protobuf(t, &dto.MetricFamily{Name: &name, Type: &typ, Metric: tc.metrics}), protoText)
			if s.err == nil || reasonOf(s.err) != tc.reason || !sc.Failed {
				t.Errorf("got %v: %s", s.err, dump(sc))
			}
		})
	}
}
