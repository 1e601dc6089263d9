package scrape

import (
	"maps"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/relabel"
)

// FuzzParse scrapes three bodies of one target one after the other: no input may make the
// parser panic, and every scrape must keep what telemetry promises of it.
func FuzzParse(f *testing.F) {
	reg := prometheus.NewRegistry()
	nativeHistogram(reg, true).Observe(1)
	proto := gathered(f, reg)
	typ := dto.MetricType_SUMMARY
	summary := protobuf(f, &dto.MetricFamily{Name: new("s"), Type: &typ, Metric: []*dto.Metric{{
		TimestampMs: new(int64(testStartMs)),
		Summary:     &dto.Summary{SampleCount: new(uint64(1)), Quantile: []*dto.Quantile{{Quantile: new(0.5), Value: new(1.0)}}},
	}}})
	const om = "# TYPE a counter\n# UNIT a_seconds seconds\na_total{x=\"1\"} 1 1700000000 # {id=\"1\"} 1 1699999990\na_created 1\n# EOF\n"
	const text = "# HELP a h\\n\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\na_sum NaN\na_count 2\nup 1\n{\"b.c\",\"d.e\"=\"f\"} 1 1700000000000\n"
	f.Add([]byte(text), []byte("a_sum 1\na_sum 1\n"), []byte(text), uint8(0))
	f.Add([]byte(text), []byte("a{"), []byte(text), uint8(0x80))
	f.Add([]byte(om), []byte(om[:20]), []byte(om), uint8(1|0x80))
	f.Add([]byte(proto), []byte(proto[:len(proto)/2]), []byte(summary), uint8(2|0x40|0x80))
	f.Add([]byte("a{le=\"\\\"} 1\n"), []byte("\x00\x00a 1\x00"), []byte("# HELP \x00\n"), uint8(0x20))
	f.Add([]byte("a{instance=\"x\",instance=\"y\"} 1\n"), []byte("a{x=\"1\"} 1\na{x=\"2\"} 1 5\n"), []byte("a 1 1700000300000\na 1\n"), uint8(0xe0))

	f.Fuzz(func(t *testing.T, a, b, c []byte, flags uint8) {
		cfg := Config{
			HonorTimestamps:          flags&0x80 != 0,
			ScrapeNativeHistograms:   new(flags&0x40 != 0),
			HonorLabels:              flags&0x20 != 0,
			TrackTimestampsStaleness: flags&0x10 != 0,
			MetricRelabelConfigs:     []*relabel.Config{dropLabels("x")},
		}
		if flags&0x08 != 0 {
			cfg.SampleLimit = 3
		}
		contentType := []string{text004, openText, protoText, text100}[flags&3]
		s := newSession(t, &cfg)
		plain := map[string]bool{} // have to be ended when they go
		ran := map[string]bool{}   // were delivered, and not ended since
		for _, body := range [][]byte{a, b, c} {
			sc := s.scrape(string(body), contentType)
			here := map[string]bool{}
			for i := range sc.Series.Len() - len(reportFamilies()) {
				here[sc.Series.At(i).String()] = true
			}
			rest := map[string]bool{}
			for _, r := range sc.Rest {
				key := r.Labels.String()
				rest[key] = true
				if r.IsStale() {
					if !ran[key] {
						t.Errorf("ended what did not run: %s", key)
					}
					delete(ran, key)
				}
			}
			for key := range plain {
				if !here[key] && !rest[key] {
					t.Errorf("not ended: %s", key)
				}
			}
			plain = here
			maps.Copy(ran, here)
			for _, r := range sc.Rest {
				if !r.IsStale() {
					ran[r.Labels.String()] = true
				}
			}
		}
	})
}

// FuzzLooksLike only has to come back: it is asked about bodies that are anything but text.
func FuzzLooksLike(f *testing.F) {
	for _, s := range []string{"", "<", "{", `{"`, `{"a"`, `{"a":1}`, "\x1f\x8b", "  <!DOCTYPE HTML>", "\ufeff<html>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if kind := looksLike(body); kind != "" && len(body) == 0 {
			t.Errorf("%q", kind)
		}
	})
}
