package scrape

import (
	"fmt"
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

// BenchmarkUnchanged is what a scrape costs once the target is known: 10,000 series whose
// values change and whose shape does not.
func BenchmarkUnchanged(b *testing.B) {
	const n = 10_000
	bodies := [][]byte{[]byte(exposition(n, 1)), []byte(exposition(n, 2))}
	s := newSession(b, &Config{})
	s.mustScrape(string(bodies[0]), text004)
	set := s.st.set
	b.SetBytes(int64(len(bodies[0])))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		s.timeMs += 1000
		tally, err := s.st.parse(bodies[i%2], text004, s.timeMs)
		if err != nil {
			b.Fatal(err)
		}
		sc := s.st.accept(s.target, s.timeMs, report{up: true, tally: tally})
		if sc.Series != set {
			b.Fatal("another shape")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sample")
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
