package remotewrite

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// exposition gathers series and their values.
type exposition struct {
	rnd    *rand.Rand
	lsets  []labels.Labels
	mds    []*telemetry.Metadata
	values []float64
}

func (x *exposition) add(md *telemetry.Metadata, value float64, name string, ls ...string) {
	ls = append(ls, "__name__", name, "instance", "checkout-6d5f7c9b8-x2x7k:8080", "job", "checkout", "namespace", "shop")
	x.lsets = append(x.lsets, labels.FromStrings(ls...))
	x.mds = append(x.mds, md)
	x.values = append(x.values, value)
}

// histogram adds a classic one with its buckets, whose counts grow up to one of all.
func (x *exposition) histogram(name string, ls ...string) {
	md := &telemetry.Metadata{Family: name, Type: model.MetricTypeHistogram, Help: "How long it took to do what " + name + " says."}
	n := 0.0
	for _, le := range []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"} {
		n += float64(x.rnd.IntN(40_000))
		x.add(md, n, name+"_bucket", append(ls[:len(ls):len(ls)], "le", le)...)
	}
	x.add(md, n*x.rnd.Float64(), name+"_sum", ls...)
	x.add(md, n, name+"_count", ls...)
}

// goRuntime is about what client_golang says of its own process.
func (x *exposition) goRuntime() {
	gauge := func(name string, v float64) {
		x.add(&telemetry.Metadata{Family: name, Type: model.MetricTypeGauge, Help: "Number of bytes or things: " + name + "."}, v, name)
	}
	for _, n := range []string{"alloc_bytes", "buck_hash_sys_bytes", "gc_sys_bytes", "heap_alloc_bytes", "heap_idle_bytes", "heap_inuse_bytes", "heap_objects",
		"heap_released_bytes", "heap_sys_bytes", "last_gc_time_seconds", "mcache_inuse_bytes", "mspan_sys_bytes", "next_gc_bytes", "other_sys_bytes", "stack_sys_bytes", "sys_bytes"} {
		gauge("go_memstats_"+n, float64(x.rnd.IntN(200<<20)))
	}
	for _, q := range []string{"0", "0.25", "0.5", "0.75", "1"} {
		x.add(&telemetry.Metadata{Type: model.MetricTypeSummary, Help: "Pauses."}, x.rnd.ExpFloat64()/1e4, "go_gc_duration_seconds", "quantile", q)
	}
	gauge("go_goroutines", 117)
	gauge("go_threads", 14)
	gauge("process_resident_memory_bytes", 81231872)
	gauge("process_start_time_seconds", 1.79e9)
	x.add(nil, x.rnd.Float64()*1e5, "process_cpu_seconds_total")
}

func (x *exposition) scrape() *telemetry.Scrape {
	return &telemetry.Scrape{Target: target("a:1"), TimeMs: t0, Series: telemetry.NewSeriesSet(x.lsets, x.mds), Values: x.values}
}

// realistic makes expositions as services have them.
func realistic() map[string]*telemetry.Scrape {
	out := make(map[string]*telemetry.Scrape)
	make := func(name string, fill func(x *exposition)) {
		x := &exposition{rnd: rand.New(rand.NewPCG(1, 2))}
		fill(x)
		out[name] = x.scrape()
	}
	make("histograms", func(x *exposition) {
		for i := range 10_000 {
			x.lsets = append(x.lsets, serviceSeries(i, fmt.Sprintf("/api/v1/resource%d", i/36)))
			x.mds = append(x.mds, bucketMetadata)
			x.values = append(x.values, float64(x.rnd.IntN(1_000_000)))
		}
	})
	make("small service", func(x *exposition) {
		x.goRuntime()
		for _, h := range []string{"/", "/cart", "/checkout", "/healthz"} {
			for _, code := range []string{"200", "404", "500"} {
				x.histogram("http_request_duration_seconds", "code", code, "handler", h, "method", "GET")
				x.add(&telemetry.Metadata{Type: model.MetricTypeCounter, Help: "Requests."}, float64(x.rnd.IntN(1e6)), "http_requests_total", "code", code, "handler", h, "method", "GET")
			}
		}
	})
	make("mixed", func(x *exposition) {
		x.goRuntime()
		counter := &telemetry.Metadata{Type: model.MetricTypeCounter, Help: "Requests by handler and code."}
		for i := range 300 {
			h := fmt.Sprintf("/api/v%d/%s/{id}", 1+i%2, []string{"orders", "carts", "items", "users", "prices"}[i%5])
			x.add(counter, float64(x.rnd.IntN(1e7)), "http_requests_total", "code", fmt.Sprint(200+i%5), "handler", h, "method", "POST", "route", fmt.Sprint(i))
			if i%4 == 0 {
				x.histogram("grpc_server_handling_seconds", "grpc_method", fmt.Sprintf("Get%d", i), "grpc_service", "shop.v1.Orders", "grpc_type", "unary")
			}
		}
		for i := range 200 {
			x.add(&telemetry.Metadata{Type: model.MetricTypeGauge, Help: "Connections."}, float64(x.rnd.IntN(30)), "db_connections", "pool", fmt.Sprintf("pool-%d", i), "state", []string{"idle", "busy"}[i%2])
		}
	})
	make("random names", func(x *exposition) {
		for range 3000 {
			id := fmt.Sprintf("%08x-%04x", x.rnd.Uint32(), x.rnd.Uint32()&0xffff)
			x.add(&telemetry.Metadata{Type: model.MetricTypeGauge, Help: "Depth of a queue."}, x.rnd.Float64()*100, "queue_depth_messages", "queue", id)
		}
	})
	return out
}

// TestPagesAreNotMuchLarger holds the size of requests of pages against that of the same
// requests compressed as a whole.
func TestPagesAreNotMuchLarger(t *testing.T) {
	atMost := map[message]float64{v1: 1.25, v2: 1.45}
	for name, s := range realistic() {
		for _, m := range bothMessages {
			te := newTestEncoder(t, m, labels.FromStrings("cluster", "prod"))
			pages, whole := 0, 0
			rs, _ := te.records(s)
			for _, r := range rs {
				raw, err := decompress(r.data)
				if err != nil {
					t.Fatal(err)
				}
				pages += len(r.data)
				whole += len(snappy.Encode(nil, raw))
			}
			ratio := float64(pages) / float64(whole)
			t.Logf("%-14s v%d: %5d series, %5.1f B a sample, %.2f times as much as %.1f", name, m, s.Series.Len(),
				float64(pages)/float64(s.Series.Len()), ratio, float64(whole)/float64(s.Series.Len()))
			if ratio > atMost[m] {
				t.Errorf("%s, v%d: %.2f times as large, want %.2f at most", name, m, ratio, atMost[m])
			}
		}
	}
}
