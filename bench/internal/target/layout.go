package target

import (
	"fmt"
	"math"
	"strconv"
)

// bounds are the upper bounds of the buckets of every histogram, before scaling.
var bounds = [...]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, math.Inf(1)}

func boundAt(i int) float64 {
	if i == len(bounds)-1 {
		return 2 * bounds[i-1]
	}
	return bounds[i]
}

// family is one metric of the service.
type family struct {
	name, help, kind string
	// labels are those of the n-th series, without the braces. client tells series apart
	// that come and go.
	labels func(n int, client string) string
	scale  float64 // of the bounds of a histogram
}

var (
	handlers = [...]string{"/api/v1/orders", "/api/v1/orders/{id}", "/api/v1/cart", "/api/v1/items/{id}/stock", "/login", "/api/v1/search"}
	methods  = [...]string{"get", "post", "put", "delete"}
	codes    = [...]string{"200", "201", "204", "400", "404", "500", "503"}
	states   = [...]string{"idle", "active", "closing"}
	results  = [...]string{"hit", "miss", "error"}
)

// histogramFamilies and singleFamilies are in the order of their names, as client_golang sorts.
var histogramFamilies = [...]family{
	{"db_query_duration_seconds", "Time that queries of the database took.", "histogram", func(n int, _ string) string {
		return fmt.Sprintf(`database="orders",operation="%s",shard="%d",table="orders_%03d"`, methods[n%len(methods)], n/4%8, n/32)
	}, 1},
	{"http_request_duration_seconds", "Time from the first byte of a request to the last one of its answer.", "histogram", func(n int, _ string) string {
		return fmt.Sprintf(`code="%s",handler="%s",method="%s",tenant="tenant-%04d"`,
			codes[n%len(codes)], handlers[n/7%len(handlers)], methods[n/42%len(methods)], n/168)
	}, 1},
	{"http_response_size_bytes", "Size of answers.", "histogram", func(n int, _ string) string {
		return fmt.Sprintf(`handler="%s",method="%s",tenant="tenant-%04d"`, handlers[n%len(handlers)], methods[n/6%len(methods)], n/24)
	}, 1024},
}

var singleFamilies = [...]family{
	{"cache_operations_total", "Operations on caches, by their result.", "counter", func(n int, client string) string {
		return fmt.Sprintf(`cache="sessions-%02d",client="%s",operation="get",result="%s"`, n/3%40, client, results[n%len(results)])
	}, 0},
	{"grpc_client_handled_total", "Calls of other services that have ended.", "counter", func(n int, client string) string {
		return fmt.Sprintf(`client="%s",grpc_code="OK",grpc_method="M%02d",grpc_service="stock.v1.Stock"`, client, n%60)
	}, 0},
	{"http_requests_total", "Requests answered.", "counter", func(n int, client string) string {
		return fmt.Sprintf(`client="%s",code="%s",handler="%s",method="%s"`, client, codes[n%len(codes)], handlers[n/7%len(handlers)], methods[n/42%len(methods)])
	}, 0},
	{"pool_connections", "Connections of a pool, by state.", "gauge", func(n int, client string) string {
		return fmt.Sprintf(`client="%s",database="orders",pool="primary-%02d",state="%s"`, client, n/3%50, states[n%len(states)])
	}, 0},
	{"queue_depth", "Messages that wait.", "gauge", func(n int, client string) string {
		return fmt.Sprintf(`client="%s",consumer_group="billing",partition="%d",topic="orders.events.v%d"`, client, n%32, n/32%9)
	}, 0},
}

// runtime are the series that every Go service has once. Their values are large or small.
var runtime = [...]struct {
	family
	first float64
}{
	{family{name: "go_gc_heap_live_bytes", help: "Heap that the last collection left.", kind: "gauge"}, 73_400_320},
	{family{name: "go_goroutines", help: "Number of goroutines that currently exist.", kind: "gauge"}, 412},
	{family{name: "go_memstats_last_gc_time_seconds", help: "Number of seconds since 1970 of last garbage collection.", kind: "gauge"}, 1.7953801332014e9},
	{family{name: "go_threads", help: "Number of OS threads created.", kind: "gauge"}, 17},
	{family{name: "process_cpu_seconds_total", help: "Total user and system CPU time spent in seconds.", kind: "counter"}, 4831.27},
	{family{name: "process_resident_memory_bytes", help: "Resident memory size in bytes.", kind: "gauge"}, 1.31072e+08},
}

// layout lays out the lines: the marker, what a Go service has anyway, three fifths of the
// series in histograms, the rest counters and gauges.
func (b *Bodies) layout(series int) {
	b.add([]byte(Marker+" "), 0)
	b.begin(0, family{name: Marker, help: "Number of this body.", kind: "gauge"})
	for _, r := range runtime {
		i := b.add([]byte(r.name+" "), r.first)
		b.begin(i, r.family)
		b.singles = append(b.singles, i)
	}
	width := len(bounds) + 2
	number := (series - len(b.lines)) * 3 / 5 / width
	for k, f := range histogramFamilies {
		first := len(b.lines)
		for n := range share(number, k, len(histogramFamilies)) {
			b.histogram(f, n)
		}
		b.begin(first, f)
	}
	rest := series - len(b.lines)
	for k, f := range singleFamilies {
		first := len(b.lines)
		for n := range share(rest, k, len(singleFamilies)) {
			head := func(client string) []byte { return []byte(f.name + "{" + f.labels(n, client) + "} ") }
			i := b.add(head(b.client()), float64(b.rng.IntN(100_000)))
			b.singles = append(b.singles, i)
			b.labelled = append(b.labelled, i)
			b.heads[i] = head
		}
		b.begin(first, f)
	}
	for i := range b.histograms {
		b.order = append(b.order, i)
	}
}

// share is the part of total that the k-th of n gets.
func share(total, k, n int) int { return total*(k+1)/n - total*k/n }

// begin writes HELP and TYPE of a family before its first line, if it has one.
func (b *Bodies) begin(first int, f family) {
	if first < len(b.lines) {
		b.lines[first].before = fmt.Appendf(nil, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
	}
}

func (b *Bodies) add(head []byte, value float64) int {
	b.lines = append(b.lines, line{head: head})
	b.set(len(b.lines)-1, value)
	return len(b.lines) - 1
}

func (b *Bodies) histogram(f family, n int) {
	h := histogram{first: len(b.lines), scale: f.scale, counts: make([]int64, len(bounds))}
	for range 1 + b.rng.IntN(30) {
		h.add(b.rng.IntN(len(bounds)), 1+b.rng.Int64N(300), b.rng.Float64())
	}
	labels := f.labels(n, "")
	for i, bound := range bounds {
		le := "+Inf"
		if i < len(bounds)-1 {
			le = strconv.FormatFloat(bound*f.scale, 'g', -1, 64)
		}
		b.add(fmt.Appendf(nil, `%s_bucket{%s,le="%s"} `, f.name, labels, le), float64(h.counts[i]))
	}
	b.add(fmt.Appendf(nil, `%s_sum{%s} `, f.name, labels), h.sum)
	b.add(fmt.Appendf(nil, `%s_count{%s} `, f.name, labels), float64(h.counts[len(bounds)-1]))
	b.histograms = append(b.histograms, h)
}
