package remotewrite

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

var bucketMetadata = &telemetry.Metadata{Family: "http_request_duration_seconds", Type: model.MetricTypeHistogram, Help: "Duration of requests."}

// serviceSeries looks like the histograms of a web service; handler tells them apart.
func serviceSeries(i int, handler string) labels.Labels {
	le := []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"}
	return labels.FromStrings(
		"__name__", "http_request_duration_seconds_bucket", "code", fmt.Sprint(200+i%3*100),
		"handler", handler, "instance", "checkout-6d5f7c9b8-x2x7k:8080", "job", "checkout",
		"le", le[i%12], "method", []string{"GET", "POST", "PUT"}[i/12%3])
}

// serviceSets makes successive sets of n series, as scraping makes them: blocks in which no
// series came or went are the same. Of each, fresh are not in the one before, each in another
// place if they are spread, else in runs of 36, like those of a new handler.
func serviceSets(sets, n, fresh int, spread bool) []*telemetry.SeriesSet {
	rnd := rand.New(rand.NewPCG(1, 2))
	syms := telemetry.NewSymbols()
	var blocks [][]telemetry.Coded
	for i := 0; i < n; i += telemetry.BlockLen {
		var b []telemetry.Coded
		for j := i; j < min(n, i+telemetry.BlockLen); j++ {
			b = append(b, syms.Encode(serviceSeries(j, fmt.Sprintf("/api/v1/resource%d", j/36))))
		}
		blocks = append(blocks, b)
	}
	made := make([]*telemetry.Block, len(blocks))
	var out []*telemetry.SeriesSet
	for set := range sets {
		if set > 0 {
			run := 36
			if spread {
				run = 1
			}
			for k := 0; k < fresh; k += run {
				b := rnd.IntN(len(blocks))
				at := rnd.IntN(len(blocks[b]))
				made[b] = nil
				next := append([]telemetry.Coded(nil), blocks[b]...)
				for i := at; i < min(at+run, len(next)); i++ {
					next[i] = syms.Encode(serviceSeries(i, fmt.Sprintf("/api/v1/new%d-%d", set, k)))
				}
				blocks[b] = next
			}
		}
		for i := range made {
			if made[i] == nil {
				mds := make([]*telemetry.Metadata, len(blocks[i]))
				for j := range mds {
					mds[j] = bucketMetadata
				}
				made[i] = telemetry.NewBlock(syms, blocks[i], mds)
			}
		}
		out = append(out, telemetry.JoinBlocks(append([]*telemetry.Block(nil), made...)))
	}
	return out
}

// vanished makes the markers of the series of one set that the next has not.
func vanished(from, to *telemetry.SeriesSet) (out []telemetry.Sample) {
	stay := make(map[*telemetry.Block]bool)
	for _, b := range to.Blocks() {
		stay[b] = true
	}
	have := make(map[string]bool)
	for _, b := range to.Blocks() {
		for i := range b.Len() {
			have[b.At(i).String()] = true
		}
	}
	for _, b := range from.Blocks() {
		for i := 0; i < b.Len() && !stay[b]; i++ {
			if !have[b.At(i).String()] {
				out = append(out, telemetry.Stale(b.At(i), 0))
			}
		}
	}
	return out
}

// BenchmarkEncode encodes scrapes of 10,000 series; 30 % of the values change each time. In
// churn5 5 % of the series are new each time, and as many get their staleness marker: in runs,
// as when a handler is called for the first time, or (spread) with some in each block.
func BenchmarkEncode(b *testing.B) {
	const n, sets = 10_000, 16
	for _, bm := range []struct {
		name   string
		fresh  int
		spread bool
		anew   bool
	}{
		{name: "same"},
		{name: "churn5", fresh: n / 20},
		{name: "churn5-spread", fresh: n / 20, spread: true},
		{name: "first", anew: true},
	} {
		shapes := serviceSets(sets, n, bm.fresh, bm.spread)
		var stale [2][sets][]telemetry.Sample // of steps up and down
		for i := 1; i < sets && bm.fresh > 0; i++ {
			stale[0][i] = vanished(shapes[i-1], shapes[i])
			stale[1][i-1] = vanished(shapes[i], shapes[i-1])
		}
		for _, m := range bothMessages {
			b.Run(fmt.Sprintf("%s/v%d", bm.name, m), func(b *testing.B) {
				enc := newEncoder(&Config{}, nil, labels.FromStrings("cluster", "prod"))
				s := scrapeOf(target("a:1"), shapes[0], t0)
				rnd := rand.New(rand.NewPCG(1, 2))
				bytes := 0
				put := func(r record) { bytes += len(r.data) }
				lim := limits{samples: defaultRequestSamples, bytes: maxRequestBytes}
				enc.encode(s, m, lim, put)
				bytes = 0
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; b.Loop(); i++ {
					b.StopTimer()
					s.TimeMs += 1000
					for range n * 3 / 10 {
						s.Values[rnd.IntN(n)] = float64(rnd.IntN(1_000_000))
					}
					if bm.fresh > 0 {
						// Back and forth, so that each differs from the one before by as much.
						step, down := i%(2*sets-2), 0
						if step >= sets-1 {
							step, down = 2*sets-2-step, 1
						}
						at := step + 1 - 2*down
						s.Series, s.Rest = shapes[at], stale[down][at]
						for j := range s.Rest {
							s.Rest[j].TimeMs = s.TimeMs
						}
					}
					if bm.anew {
						enc = newEncoder(&Config{}, nil, labels.FromStrings("cluster", "prod"))
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

// BenchmarkSpool takes scrapes of 10,000 series that are delivered at once: encoded, appended,
// read back, advanced.
func BenchmarkSpool(b *testing.B) {
	for _, where := range []string{"memory", "disk"} {
		b.Run(where, func(b *testing.B) {
			o := Options{}
			if where == "disk" {
				o.SpoolDir = b.TempDir()
			}
			r := newRig(b, o)
			r.apply(config("http://example.org/write", MessageV1))
			defer r.Close()
			q := (*(*r.endpoints.Load())[0].lanes.Load())[0].queue
			set, tgt := seriesSet(10_000), target("a:1")
			s := scrapeOf(tgt, set, t0)
			b.ReportAllocs()
			for b.Loop() {
				s.TimeMs += 1000
				if err := r.Append(s); err != nil {
					b.Fatal(err)
				}
				if _, err := q.Peek(b.Context()); err != nil {
					b.Fatal(err)
				}
				q.Replace()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/sample")
		})
	}
}

// BenchmarkMove opens a full spool and moves what waits to other lanes, as a change of shards
// does.
func BenchmarkMove(b *testing.B) {
	const bytes = 64 << 20
	dir := b.TempDir()
	shards := func(n int) *Config {
		cfg := config("http://example.org/write", MessageV1)
		cfg.Shards = n
		return cfg
	}
	r := newRig(b, Options{SpoolDir: dir})
	r.apply(shards(1))
	s := scrapeOf(target("a:1"), seriesSet(10_000), t0)
	for r.Status()[0].QueuedBytes < bytes {
		s.TimeMs += 1000
		if err := r.Append(s); err != nil {
			b.Fatal(err)
		}
	}
	waiting := r.Status()[0].Queued
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(bytes)
	for n := 2; b.Loop(); n++ {
		r := newRig(b, Options{SpoolDir: dir})
		r.apply(shards(1 + n%2))
		if got := r.Status()[0].Queued; got != waiting {
			b.Fatalf("%d of %d requests wait", got, waiting)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBacklog delivers six minutes of scrapes of ten targets of 100 series that wait on disk,
// to a receiver that takes some time to answer.
func BenchmarkBacklog(b *testing.B) {
	for _, takes := range []time.Duration{0, 5 * time.Millisecond} {
		b.Run(takes.String(), func(b *testing.B) {
			var requests atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				requests.Add(1)
				_, _ = io.Copy(io.Discard, req.Body)
				time.Sleep(takes)
				w.WriteHeader(http.StatusNoContent)
			}))
			defer srv.Close()
			set := seriesSet(100)
			var targets [10]*telemetry.Target
			for i := range targets {
				targets[i] = target(fmt.Sprint("t", i))
			}
			for b.Loop() {
				b.StopTimer()
				r := newRig(b, Options{SpoolDir: b.TempDir()})
				r.apply(config(srv.URL, MessageV1))
				for i := range int64(3600) {
					r.append(scrapeOf(targets[i%10], set, t0+i/10*1000))
				}
				b.StartTimer()
				stop := r.start()
				r.flush()
				b.StopTimer()
				stop()
				r.closed()
				b.StartTimer()
			}
			b.ReportMetric(float64(requests.Load())/float64(b.N), "requests")
		})
	}
}
