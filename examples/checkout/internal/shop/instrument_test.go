package shop

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestRequestsAreCountedByRoute(t *testing.T) {
	s, h := newTestShop(t, testSizes())
	for _, r := range [][3]string{
		{"GET", "/products/p-001"},
		{"GET", "/products/p-002"},
		{"GET", "/products/p-999"},
		{"HEAD", "/products/p-001"},
		{"GET", "/search"},
		{"POST", "/cart", addTable},
		{"DELETE", "/cart"},
		{"GET", "/nowhere"},
		{"BREW", "/nowhere"},
		{"GET", "/healthz"}, // not the customers' business
	} {
		do(h, r[0], r[1], r[2])
	}
	if err := testutil.GatherAndCompare(s.registry, strings.NewReader(`
# HELP http_requests_total Requests answered.
# TYPE http_requests_total counter
http_requests_total{code="200",method="GET",route="/products/{id}"} 2
http_requests_total{code="200",method="HEAD",route="/products/{id}"} 1
http_requests_total{code="200",method="POST",route="/cart"} 1
http_requests_total{code="400",method="GET",route="/search"} 1
http_requests_total{code="404",method="GET",route="/products/{id}"} 1
http_requests_total{code="404",method="GET",route="unmatched"} 1
http_requests_total{code="404",method="other",route="unmatched"} 1
http_requests_total{code="405",method="DELETE",route="unmatched"} 1
`), "http_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestRequestsInFlightAreBounded(t *testing.T) {
	sz := testSizes()
	sz.maxInFlight = 1
	s, h := newTestShop(t, sz)
	if err := s.faults.SwitchOn("slow-dependency", 5000); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { do(h, "GET", "/products/p-001", "") })
	eventually(t, "one request is in flight", func() bool { return testutil.ToFloat64(s.metrics.inFlight) == 1 })
	want(t, do(h, "GET", "/products/p-001", ""), 503, "too many requests at a time")
	want(t, do(h, "GET", "/healthz", ""), 200, "ok")
	s.faults.Close()
	wg.Wait()
	want(t, do(h, "GET", "/products/p-001", ""), 200, "")
	if n := testutil.ToFloat64(s.metrics.inFlight); n != 0 {
		t.Errorf("%v requests are in flight when all were answered", n)
	}
}

func TestRequestTimeout(t *testing.T) {
	sz := testSizes()
	sz.requestTimeout = 1
	_, h := newTestShop(t, sz)
	want(t, do(h, "GET", "/search?q=oak", ""), 504, "context deadline exceeded")
}

func TestClientThatLeaves(t *testing.T) {
	_, h := newTestShop(t, testSizes())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/search?q=oak", nil).WithContext(gone))
	want(t, w, 504, "context canceled")
}

func TestSampledTrace(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for header, want := range map[string]bool{
		"00-" + id + "-00f067aa0ba902b7-01":                  true,
		"00-" + id + "-00f067aa0ba902b7-03":                  true,
		"00-" + id + "-00f067aa0ba902b7-00":                  false,
		"cc-" + id + "-00f067aa0ba902b7-01-later":            true,
		"00-" + strings.ToUpper(id) + "-00f067aa0ba902b7-01": false,
		"00-" + id[1:] + "-00f067aa0ba902b7-01":              false,
		"00-" + id + "-00f067aa0ba902b7-xx":                  false,
		"00-" + id + "-00f067aa0ba902b7":                     false,
		"":                                                   false,
	} {
		got, ok := sampledTrace(header)
		if ok != want || ok && got != id {
			t.Errorf("sampledTrace(%q) = %q, %v, want %v", header, got, ok, want)
		}
	}
}

func TestExemplars(t *testing.T) {
	_, h := newTestShop(t, testSizes())
	r := httptest.NewRequest("GET", "/products/p-001", nil)
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	h.ServeHTTP(httptest.NewRecorder(), r)

	r = httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	want(t, w, 200, `# {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} `)
}
