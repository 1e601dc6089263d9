package shop

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestMetricsAreClean(t *testing.T) {
	s, h := newTestShop(t, testSizes())
	do(h, "GET", "/products/p-001", "")
	problems, err := testutil.GatherAndLint(s.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !ofTheRuntime(p) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// ofTheRuntime says whether the name is not ours to mend.
func ofTheRuntime(p promlint.Problem) bool { return strings.HasPrefix(p.Metric, "go_") }

func TestMetricsThatAServiceShouldHave(t *testing.T) {
	s, h := newTestShop(t, testSizes())
	do(h, "GET", "/products/p-001", "")
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series, have := 0, map[string]bool{}
	for _, f := range families {
		have[f.GetName()] = true
		series += len(f.GetMetric())
		if f.GetName() == "http_request_duration_seconds" {
			hist := f.GetMetric()[0].GetHistogram()
			if len(hist.GetBucket()) == 0 || len(hist.GetPositiveSpan()) == 0 {
				t.Errorf("%s must have classic and native buckets: %v", f.GetName(), hist)
			}
		}
	}
	if series < 300 { // histograms count once here
		t.Errorf("%d series, want several hundred", series)
	}
	for _, name := range []string{
		"http_requests_total", "http_requests_in_flight",
		"db_pool_max", "db_pool_in_use", "db_pool_idle", "db_pool_waiting", "db_pool_wait_seconds", "db_query_duration_seconds",
		"cache_hits_total", "cache_misses_total", "cache_entries",
		"worker_queue_length", "worker_queue_capacity", "worker_busy", "order_settle_duration_seconds",
		"orders_total", "payment_duration_seconds", "product_views_total", "stock_units", "fault_level",
		"go_goroutines", "go_gc_heap_live_bytes", "go_sched_latencies_seconds", "go_cpu_classes_total_cpu_seconds_total",
		"go_sync_mutex_wait_total_seconds_total", "go_build_info", "checkout_build_info", "process_start_time_seconds",
	} {
		if !have[name] {
			t.Errorf("no metric %s", name)
		}
	}
}
