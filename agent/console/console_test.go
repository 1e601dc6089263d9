package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"outrider/telemetry"
)

func TestTwoDoors(t *testing.T) {
	opts := options()
	opts.TelemetryAddress = "127.0.0.1:0"
	opts.ExternalURL = "https://ops.example.com/outrider"
	c := run(t, opts)
	main, tele := "http://"+c.Addr(), "http://"+c.TelemetryAddr()

	telemetryDoor := []string{"/-/healthy", "/-/ready", "/metrics", "/targets/metrics"}
	for path, method := range mainDoor {
		want := http.StatusOK
		if path == "/nowhere" {
			want = http.StatusNotFound
		}
		if path == "/api/v1/profile" {
			path += "?target=shop&type=cpu"
		}
		wantAnswer(t, ask(t, http.DefaultClient, method, main+path), want, "")
		if slices.Contains(telemetryDoor, path) {
			continue
		}
		for _, method := range []string{"GET", "POST"} {
			wantAnswer(t, ask(t, http.DefaultClient, method, tele+path), http.StatusNotFound, "no such page")
		}
	}
	for _, path := range telemetryDoor {
		wantAnswer(t, ask(t, http.DefaultClient, "GET", main+path), http.StatusOK, "")
		// By whatever name Prometheus and the kubelet know it.
		wantAnswer(t, ask(t, http.DefaultClient, "GET", tele+path, "Host: pod-1.shops.svc:9911"), http.StatusOK, "")
		wantAnswer(t, ask(t, http.DefaultClient, "POST", tele+path), http.StatusMethodNotAllowed, "use GET")
	}
	wantAnswer(t, ask(t, http.DefaultClient, "GET", tele+"/metrics"), http.StatusOK,
		`outrider_web_info{external_url="https://ops.example.com/outrider"} 1`)
	wantAnswer(t, ask(t, http.DefaultClient, "GET", tele+"/metrics"), http.StatusOK,
		`outrider_http_requests_total{code="200",handler="flush",method="post"} 1`)
}

func TestSecurityHeaders(t *testing.T) {
	c := run(t, options())
	for _, path := range []string{"/", "/metrics", "/-/ready", "/api/v1/status", "/nowhere"} {
		h := ask(t, http.DefaultClient, "GET", "http://"+c.Addr()+path).header
		for name, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "same-origin",
			"X-Frame-Options":         "DENY",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := h.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
}

func TestHealthDependsOnItsFunctionsAlone(t *testing.T) {
	opts := options()
	opts.Ready = func() error { return errors.New("configuration not loaded") }
	opts.Healthy = func() error { return errors.New("scrape loop ended") }
	c := run(t, opts)
	wantAnswer(t, ask(t, http.DefaultClient, "GET", "http://"+c.Addr()+"/-/ready"), 503, "not ready: configuration not loaded")
	wantAnswer(t, ask(t, http.DefaultClient, "GET", "http://"+c.Addr()+"/-/healthy"), 503, "not healthy: scrape loop ended")
}

// A capture under way must neither hold up the end nor be left behind.
func TestRunEndsRequestsUnderWay(t *testing.T) {
	started, cut := make(chan struct{}), make(chan error, 1)
	opts := options()
	opts.TelemetryAddress = "127.0.0.1:0"
	opts.Capture = func(ctx context.Context, _, _ string, _ int) ([]byte, *telemetry.Target, error) {
		close(started)
		<-ctx.Done()
		cut <- ctx.Err()
		return nil, nil, errors.New("the sidecar is stopping")
	}
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	got := make(chan answer, 1)
	go func() {
		got <- ask(t, http.DefaultClient, "POST", "http://"+c.Addr()+"/api/v1/profile?target=a&type=cpu")
	}()
	<-started
	stop()
	if err := <-cut; !errors.Is(err, context.Canceled) {
		t.Errorf("the capture ended with %v", err)
	}
	wantAnswer(t, <-got, 502, "the sidecar is stopping")
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestRunFailsWithABrokenDoor(t *testing.T) {
	opts := options()
	opts.TelemetryAddress = "127.0.0.1:0"
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	c.tele.listener.Close()
	if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve "+c.TelemetryAddr()) {
		t.Errorf("Run: %v", err)
	}
}

func TestMetricsLint(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics("https://ops.example.com")
	m.register(reg)
	m.instrument("page", http.NotFoundHandler())
	m.requests.WithLabelValues("page", "200", "get").Inc()
	m.duration.WithLabelValues("page").Observe(1)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != 5 {
		t.Errorf("%d families, want 5", len(families))
	}
}
