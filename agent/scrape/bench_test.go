package scrape

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"outrider/telemetry"
)

// exposition makes a text body of n series in families of 100.
func exposition(n, seed int) string {
	var b strings.Builder
	for i := range n {
		if i%100 == 0 {
			fmt.Fprintf(&b, "# HELP service_requests_%d_total Requests handled, by handler and code.\n# TYPE service_requests_%d_total counter\n", i/100, i/100)
		}
		fmt.Fprintf(&b, "service_requests_%d_total{handler=\"/api/v1/item/%d\",code=\"200\",method=\"GET\"} %d\n", i/100, i%100, seed+i*37)
	}
	return b.String()
}

// successive makes bodies of n histogram buckets of a service. From one to the next the share
// changed of all values changes, and the share fresh of all series is replaced by others,
// anywhere in the body.
func successive(bodies, n int, changed, fresh float64) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	ids, values := make([]int, n), make([]int, n)
	for i := range ids {
		ids[i], values[i] = i, rng.IntN(1e6)
	}
	next := n
	out := make([][]byte, bodies)
	for k := range out {
		var b strings.Builder
		for i := range n {
			if i%240 == 0 {
				fmt.Fprintf(&b, "# HELP http_request_duration_%d_seconds Time from request to answer.\n# TYPE http_request_duration_%d_seconds histogram\n", i/240, i/240)
			}
			if k > 0 && rng.Float64() < changed {
				values[i] += rng.IntN(1000)
			}
			if k > 0 && rng.Float64() < fresh {
				ids[i] = next
				next++
			}
			fmt.Fprintf(&b, "http_request_duration_%d_seconds_bucket{code=\"200\",handler=\"/api/v1/item/%d\",method=\"GET\",le=\"0.005\"} %d\n", i/240, ids[i], values[i])
		}
		out[k] = []byte(b.String())
	}
	return out
}

// BenchmarkScrape is what a scrape costs once the target is known.
func BenchmarkScrape(b *testing.B) {
	for _, bm := range []struct {
		name           string
		changed, fresh float64
	}{
		{"same", 0, 0},
		{"30%-changed", .3, 0},
		{"all-changed", 1, 0},
		{"5%-new-series", .3, .05},
	} {
		for _, slowOnly := range []bool{false, true} {
			name := bm.name + "/replayed"
			if slowOnly {
				name = bm.name + "/parsed"
			}
			b.Run(name, func(b *testing.B) {
				const n = 10_000
				bodies := successive(16, n, bm.changed, bm.fresh)
				s := newSession(b, &Config{})
				s.st.slowOnly = slowOnly
				b.SetBytes(int64(len(bodies[0])))
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					// Back and forth, so that each differs from the one before by as much.
					body := bodies[min(i%30, 30-i%30)]
					i++
					s.timeMs += 1000
					tally, err := s.st.parse(body, text004, s.timeMs)
					if err != nil {
						b.Fatal(err)
					}
					s.st.accept(s.target, s.timeMs, report{up: true, tally: tally})
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sample")
			})
		}
	}
}

// BenchmarkFirst is what the first scrape of a target costs.
func BenchmarkFirst(b *testing.B) {
	const n = 10_000
	body := []byte(exposition(n, 1))
	b.ReportAllocs()
	var sc *telemetry.Scrape
	for b.Loop() {
		s := newSession(b, &Config{})
		tally, err := s.st.parse(body, text004, testStartMs)
		if err != nil {
			b.Fatal(err)
		}
		sc = s.st.accept(s.target, testStartMs, report{tally: tally})
	}
	if sc.Series.Len() != n+5 {
		b.Fatal(sc.Series.Len())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sample")
}
