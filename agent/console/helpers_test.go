package console

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"outrider/telemetry"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; run the test with -update if that is right:\n%s", path, diff)
	}
}

func newTarget(service, instance string) *telemetry.Target {
	return &telemetry.Target{
		Job:    service,
		URL:    &url.URL{Scheme: "http", Host: instance, Path: "/metrics"},
		Labels: labels.FromStrings("job", service, "instance", instance),
	}
}

// at is when the page of a test is looked at.
var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// options make a console on free loopback ports whose functions succeed.
func options() Options {
	reg := prometheus.NewRegistry()
	return Options{
		ListenAddress: "127.0.0.1:0",
		Logger:        slog.New(slog.DiscardHandler),
		Registerer:    reg,
		Gatherer:      reg,
		Snapshot:      snapshot,
		Reload:        func(context.Context) error { return nil },
		Flush:         func(context.Context) error { return nil },
		Capture: func(_ context.Context, _, _ string, _ int) ([]byte, *telemetry.Target, error) {
			return []byte("pprof"), newTarget("shop", "a:1"), nil
		},
	}
}

func snapshot() Snapshot {
	shop := newTarget("shop", "pod-1:8080")
	shop.URL = &url.URL{Scheme: "http", User: url.UserPassword("me", "hunter2"), Host: "localhost:8080", Path: "/metrics"}
	return Snapshot{
		Version:  "1.2.3",
		Identity: Identity{Instance: "pod-1", Namespace: "shops", Pod: "pod-1", Node: "node-a"},
		Started:  at.Add(-49*time.Hour - 5*time.Minute),
		Config:   ConfigStatus{File: "/etc/outrider.yml", LoadedAt: at.Add(-time.Hour), Error: `outrider.yml:3: scrape_config: unknown key, did you mean "scrape_configs"?`},
		Targets: []telemetry.TargetStatus{
			{Target: shop, Health: telemetry.HealthUp, LastScrape: at.Add(-3 * time.Second), Duration: 4 * time.Millisecond, Interval: 15 * time.Second, Samples: 412,
				KeptOut: 1200, Explosion: &telemetry.Explosion{Metric: "http_requests_total", Label: "user<id", Values: 98000, Examples: []string{"0007", "0008", "0009"}}},
			{Target: newTarget("db", "pod-1:9187"), Health: telemetry.HealthDown, LastScrape: at.Add(-8 * time.Second), Duration: 120 * time.Microsecond, Interval: 15 * time.Second, LastError: `Get "http://localhost:9187/metrics": dial tcp 127.0.0.1:9187: connect: connection refused <script>alert(1)</script>`},
			{Target: newTarget("new", "pod-1:1"), Health: telemetry.HealthUnknown, Interval: time.Minute},
		},
		Profiles: []telemetry.ProfileStatus{
			{Target: shop, Type: "cpu", Period: time.Minute, LastCapture: at.Add(-42 * time.Second), Duration: 10 * time.Second, Bytes: 34567},
			{Target: shop, Type: "memory", Period: 30 * time.Second, LastError: "status 404"},
		},
		Endpoints: []telemetry.EndpointStatus{
			{Kind: "remote_write", Name: "prom", URL: "http://prometheus:9090/api/v1/write", Protocol: "prometheus.WriteRequest", LastSuccess: at.Add(-2 * time.Second)},
			{Kind: "pyroscope_write", Name: "pyro", URL: "http://pyroscope:4040", Queued: 3, QueuedBytes: 70000, Oldest: at.Add(-90 * time.Second), LastError: "401: no such tenant", Misconfigured: true},
			{Kind: "remote_write", Name: "far", URL: "http://far:9090/api/v1/write", Queued: 3600, QueuedBytes: 200 << 20, Capacity: 256 << 20, Oldest: at.Add(-time.Hour),
				Dropped: map[string]int64{"queue_full": 1200, "max_age": 7}, DiskFailing: true},
		},
	}
}

// closedConsole is one whose main door is on no loopback address.
func closedConsole(t *testing.T, opts Options) *Console {
	t.Helper()
	external, err := parseExternalURL(opts.ExternalURL)
	if err != nil {
		t.Fatal(err)
	}
	return newConsole(opts, external, false)
}

// run serves until the test ends, and fails it when that does not end well.
func run(t *testing.T, opts Options) *Console {
	t.Helper()
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, c)
	return c
}

func serve(t *testing.T, c *Console) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
}

type answer struct {
	code   int
	header http.Header
	body   string
}

// ask sends a request; headers are "Name: value", and a Host header is the host it names. It may
// be called from any goroutine.
func ask(t *testing.T, client *http.Client, method, url string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	for _, h := range headers {
		name, v, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = v
			continue
		}
		req.Header.Set(name, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func wantAnswer(t *testing.T, got answer, code int, text string) {
	t.Helper()
	if got.code != code || !strings.Contains(got.body, text) {
		t.Errorf("got %d %q, want %d with %q in it", got.code, got.body, code, text)
	}
}
