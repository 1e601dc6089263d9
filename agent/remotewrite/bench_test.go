package remotewrite

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// serviceSet looks like the histograms of a web service.
func serviceSet(n int) *telemetry.SeriesSet {
	le := []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"}
	md := &telemetry.Metadata{Family: "http_request_duration_seconds", Type: model.MetricTypeHistogram, Help: "Duration of requests."}
	lsets, mds := make([]labels.Labels, n), make([]*telemetry.Metadata, n)
	for i := range n {
		lsets[i] = labels.FromStrings(
			"__name__", "http_request_duration_seconds_bucket", "code", fmt.Sprint(200+i%3*100),
			"handler", fmt.Sprintf("/api/v1/resource%d", i/36), "instance", "checkout-6d5f7c9b8-x2x7k:8080", "job", "checkout",
			"le", le[i%12], "method", []string{"GET", "POST", "PUT"}[i/12%3])
		mds[i] = md
	}
	return telemetry.NewSeriesSet(lsets, mds)
}

// BenchmarkEncode encodes scrapes of 10,000 series; 30 % of the values change each time.
func BenchmarkEncode(b *testing.B) {
	const n = 10_000
	for _, m := range bothMessages {
		for _, shape := range []string{"unchanged", "new"} {
			b.Run(fmt.Sprintf("%s/%s", m, shape), func(b *testing.B) {
				enc := newEncoder(&Config{}, nil, labels.FromStrings("cluster", "prod"))
				set := serviceSet(n)
				s := scrapeOf(target("a:1"), set, t0)
				rnd := rand.New(rand.NewPCG(1, 2))
				bytes := 0
				put := func(rs []record, _ skipCounts) {
					for _, r := range rs {
						bytes += len(r.data)
					}
				}
				lim := limits{samples: defaultRequestSamples, bytes: maxRequestBytes}
				enc.encode(s, m, lim, put)
				bytes = 0
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() {
					b.StopTimer()
					s.TimeMs += 1000
					for range n * 3 / 10 {
						s.Values[rnd.IntN(n)] = float64(rnd.IntN(1_000_000))
					}
					if shape == "new" {
						s.Series = telemetry.NewSeriesSet(labelsOf(set), metadataOfAll(set))
					}
					b.StartTimer()
					enc.encode(s, m, lim, put)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/sample")
				b.ReportMetric(float64(bytes)/float64(b.N*n), "B/sample")
			})
		}
	}
}

func labelsOf(s *telemetry.SeriesSet) []labels.Labels {
	out := make([]labels.Labels, s.Len())
	for i := range out {
		out[i] = s.At(i)
	}
	return out
}

func metadataOfAll(s *telemetry.SeriesSet) []*telemetry.Metadata {
	out := make([]*telemetry.Metadata, s.Len())
	for i := range out {
		out[i] = s.Metadata(i)
	}
	return out
}
