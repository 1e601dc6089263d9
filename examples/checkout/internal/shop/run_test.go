package shop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"outrider/examples/load"
)

// running is a shop that listens.
type running struct {
	url, pprof string
	client     *http.Client
	stop       func() error // waits; may be called more than once
}

// start runs a shop at a tenth of the ordinary latencies until the test ends. Then no goroutine
// may be left.
func start(t *testing.T, cfg Config, change func(*sizes)) *running {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	sz := testSizes()
	sz.pace = 0.1
	if change != nil {
		change(&sz)
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Listen = "127.0.0.1:0"
	listening, done := make(chan *running, 1), make(chan error, 1)
	cfg.OnListen = func(shop, pprof net.Addr) {
		listening <- &running{url: "http://" + shop.String(), pprof: "http://" + pprof.String() + "/debug/pprof/"}
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- run(ctx, cfg, sz) }()
	var r *running
	select {
	case r = <-listening:
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	transport := &http.Transport{}
	r.client = &http.Client{Transport: transport}
	var result error
	var stopped bool
	r.stop = func() error {
		if !stopped {
			stopped = true
			cancel()
			transport.CloseIdleConnections()
			result = <-done
		}
		return result
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("run returned %v", err)
		}
	})
	return r
}

func (r *running) get(t *testing.T, url string) (code int, body []byte) {
	t.Helper()
	resp, err := r.client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// names says whether a profile has a stack through the function.
func (r *running) names(t *testing.T, profileName, function string) bool {
	t.Helper()
	code, body := r.get(t, r.pprof+profileName)
	if code != 200 {
		t.Fatalf("%s was answered %d %s", profileName, code, body)
	}
	p, err := profile.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Function {
		if strings.HasSuffix(f.Name, function) {
			return true
		}
	}
	return false
}

func TestRunStopsClean(t *testing.T) {
	r := start(t, Config{}, nil)
	for _, path := range []string{
		"/", "/healthz", "/metrics", "/faults",
		"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/symbol", "/debug/pprof/heap", "/debug/pprof/allocs",
		"/debug/pprof/goroutine", "/debug/pprof/mutex", "/debug/pprof/block", "/debug/pprof/profile?seconds=1", "/debug/pprof/trace?seconds=0.01",
	} {
		if code, body := r.get(t, r.url+path); code != 200 || len(body) == 0 {
			t.Errorf("%s was answered %d with %d bytes", path, code, len(body))
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

func TestPprofOnAPortOfItsOwn(t *testing.T) {
	r := start(t, Config{PprofListen: "127.0.0.1:0"}, nil)
	if code, _ := r.get(t, r.pprof+"goroutine"); code != 200 {
		t.Errorf("pprof on its own port was answered %d", code)
	}
	if code, _ := r.get(t, r.url+"/debug/pprof/goroutine"); code != 404 {
		t.Errorf("pprof on the port of the shop was answered %d, want 404", code)
	}
	if code, _ := r.get(t, strings.TrimSuffix(r.pprof, "debug/pprof/")+"metrics"); code != 404 {
		t.Errorf("metrics on the port of pprof were answered %d, want 404", code)
	}
}

func TestPortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().String()
	log := slog.New(slog.DiscardHandler)
	for want, cfg := range map[string]Config{
		"listen for the shop: listen tcp " + taken: {Logger: log, Listen: taken},
		"listen for pprof: listen tcp " + taken:    {Logger: log, Listen: "127.0.0.1:0", PprofListen: taken},
	} {
		if err := Run(t.Context(), cfg); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Run returned %v, want %s", err, want)
		}
	}
}

func TestStopEndsCaptures(t *testing.T) {
	r := start(t, Config{}, nil)
	captured := make(chan struct{})
	go func() {
		defer close(captured)
		if resp, err := r.client.Get(r.pprof + "trace?seconds=600"); err == nil {
			resp.Body.Close()
		}
	}()
	eventually(t, "the capture is under way", func() bool { return r.names(t, "goroutine", "pprof.Trace") })
	if err := r.stop(); err != nil {
		t.Errorf("run returned %v: the capture held it up", err)
	}
	<-captured
}

func TestShopUnderLoad(t *testing.T) {
	r := start(t, Config{}, nil)
	s, err := load.Run(t.Context(), load.Config{Target: r.url, Rate: 200, For: time.Second, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if s.Codes[200] == 0 || s.Codes[202] == 0 {
		t.Errorf("want answers and placed orders: %v", s)
	}
	series := 0
	_, body := r.get(t, r.url+"/metrics")
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "#") {
			series++
		}
	}
	if series < 500 {
		t.Errorf("%d series, want at least 500", series)
	}
}

// One after the other, each request finds what it builds on.
func TestMixFitsTheShop(t *testing.T) {
	s, h := newTestShop(t, testSizes())
	runWorkers(t, s)
	mix := load.NewMix(1, "test")
	for range 2000 {
		req := mix.Next()
		code := do(h, req.Method, req.Path, req.Body).Code
		switch {
		case req.Path == "/products/p-999":
			if code != 404 {
				t.Errorf("%v was answered %d, want 404", req, code)
			}
		case code != 200 && code != 202 && code != 409: // nothing is delivered here
			t.Errorf("%v was answered %d", req, code)
		}
	}
	if n := testutil.ToFloat64(s.metrics.orders.WithLabelValues(statusOutOfStock)); n > 20 {
		t.Errorf("%v orders were out of stock", n)
	}
}

// With the ordinary latencies and rates it takes seconds; here everything is faster and each
// event counts.
func TestOrdinaryLoadFillsMutexAndBlockProfiles(t *testing.T) {
	r := start(t, Config{}, func(sz *sizes) { sz.pace, sz.dbConns = 0.5, 1 })
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := load.Run(ctx, load.Config{Target: r.url, Rate: 300, Seed: 1})
		done <- err
	}()
	eventually(t, "the mutex profile names the deliveries", func() bool { return r.names(t, "mutex", "(*inventory).applyDelivery") })
	eventually(t, "the block profile names the pool", func() bool { return r.names(t, "block", "(*pool).acquire") })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSDKOwnsTheCPUProfiler(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	r := start(t, Config{SDK: true, PyroscopeURL: server.URL}, nil)
	eventually(t, "CPU profiles over HTTP are refused", func() bool {
		code, body := r.get(t, r.pprof+"profile?seconds=1")
		return code == 500 && strings.Contains(string(body), "already in use")
	})
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

func TestFaultsActOnRequests(t *testing.T) {
	r := start(t, Config{}, nil)
	turn := func(on bool) {
		resp, err := r.client.Post(fmt.Sprintf("%s/faults/goroutine-leak?on=%v&level=7", r.url, on), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("the fault was not switched: %s", resp.Status)
		}
	}
	const leaked = "created by outrider/examples/checkout/internal/faults.(*goroutineLeak).notifyCustomer"
	count := func() int {
		_, body := r.get(t, r.pprof+"goroutine?debug=2")
		return strings.Count(string(body), leaked)
	}
	turn(true)
	for range 3 {
		r.get(t, r.url+"/products/p-001")
	}
	r.get(t, r.url+"/healthz") // not a request of a customer
	if n := count(); n != 21 {
		t.Errorf("3 requests leaked %d goroutines, want 21", n)
	}
	turn(false)
	eventually(t, "the goroutines end", func() bool { return count() == 0 })
}

func TestHealthWhileStopping(t *testing.T) {
	s, h := newTestShop(t, testSizes())
	want(t, do(h, "GET", "/healthz", ""), 200, "ok")
	s.stopping.Store(true)
	want(t, do(h, "GET", "/healthz", ""), 503, "stopping")
	if n := testutil.ToFloat64(s.metrics.inFlight); n != 0 {
		t.Errorf("%v in flight", n)
	}
}
