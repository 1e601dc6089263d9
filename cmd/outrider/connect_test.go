package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

	"outrider/agent/console"
	"outrider/telemetry"
)

// fakeSidecar runs a real console over made-up stages and returns its address.
func fakeSidecar(t *testing.T, change func(*console.Options)) string {
	t.Helper()
	reg := prometheus.NewRegistry()
	opts := console.Options{
		ListenAddress: "127.0.0.1:0",
		Logger:        slog.New(slog.DiscardHandler),
		Registerer:    reg,
		Gatherer:      reg,
		Snapshot:      func() console.Snapshot { return console.Snapshot{Started: time.Now()} },
		Reload:        func(context.Context) error { return nil },
		Flush:         func(context.Context) error { return nil },
		Capture: func(_ context.Context, target, typ string, seconds int) ([]byte, *telemetry.Target, error) {
			if target == "nobody" {
				return nil, nil, &console.Error{Code: http.StatusNotFound, Err: errors.New(`unknown target "nobody": there are shop/pod-1:8080`)}
			}
			return fmt.Appendf(nil, "%s %s %d", target, typ, seconds), newTarget("shop", "pod-1:8080"), nil
		},
	}
	if change != nil {
		change(&opts)
	}
	c, err := console.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + c.Addr()
}

func newTarget(service, instance string) *telemetry.Target {
	return &telemetry.Target{
		Job:    service,
		URL:    &url.URL{Scheme: "http", Host: instance, Path: "/metrics"},
		Labels: labels.FromStrings("job", service, "instance", instance),
	}
}

type result struct {
	code     int
	out, err string
}

// outrider runs the command line within the test.
func outrider(t *testing.T, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code := Run(t.Context(), args, stdio{
		Out: &out, Err: &errOut,
		Getenv:  func(string) string { return "" },
		Environ: func() []string { return nil },
	})
	return result{code, out.String(), errOut.String()}
}

func wantResult(t *testing.T, got, want result) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
		t.Error(diff)
	}
}

func TestHealthcheck(t *testing.T) {
	well := fakeSidecar(t, nil)
	ill := fakeSidecar(t, func(o *console.Options) {
		o.Healthy = func() error { return errors.New("scrape loop ended") }
		o.Ready = func() error { return errors.New("configuration not loaded") }
	})
	wantResult(t, outrider(t, "healthcheck", "--url", well), result{0, "healthy\n", ""})
	wantResult(t, outrider(t, "healthcheck", "--url", well, "--ready"), result{0, "ready\n", ""})
	wantResult(t, outrider(t, "healthcheck", "--url", ill), result{1, "", "outrider: not healthy: scrape loop ended\n"})
	wantResult(t, outrider(t, "healthcheck", "--url", ill, "--ready"), result{1, "", "outrider: not ready: configuration not loaded\n"})

	stop := make(chan struct{})
	hangs := fakeSidecar(t, func(o *console.Options) {
		o.Healthy = func() error { <-stop; return nil }
	})
	wantResult(t, outrider(t, "healthcheck", "--url", hangs, "--timeout", "50ms"),
		result{1, "", "outrider: the sidecar at " + hangs + " did not answer in time\n"})
	close(stop)
}

func TestFlushCommand(t *testing.T) {
	queued := 0
	var left error
	addr := fakeSidecar(t, func(o *console.Options) {
		o.Flush = func(context.Context) error { return left }
		o.Snapshot = func() console.Snapshot {
			return console.Snapshot{Endpoints: []telemetry.EndpointStatus{
				{Kind: "remote_write", Name: "prom", Queued: queued, QueuedBytes: 2048, LastError: "503: \x1b[31mdown"},
				{Kind: "pyroscope_write", Name: "pyro"},
			}}
		}
	})
	wantResult(t, outrider(t, "flush", "--url", addr), result{0, `everything scraped is delivered
  remote_write prom: empty, 503:  [31mdown
  pyroscope_write pyro: empty
`, ""})
	queued, left = 3, errors.New("prom: 3 left")
	wantResult(t, outrider(t, "flush", "--url", addr, "--timeout", "1s"), result{1, "", `not everything is delivered: prom: 3 left
  remote_write prom: 3 left (2.0 KiB), 503:  [31mdown
  pyroscope_write pyro: empty
`})
	wantResult(t, outrider(t, "flush", "--url", addr, "--timeout", "1h"),
		result{1, "", "outrider: timeout \"1h0m0s\": want a duration up to 5m0s, such as 10s\n"})
}

func TestHTTPConfigFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	addr := fakeSidecar(t, func(o *console.Options) {
		// The hash is of opensesame.
		o.WebConfigFile = write("web.yml", "basic_auth_users: {admin: $2a$04$646RRJ.2fYhNz8ysTsDYjuXQadK7k85g8eFlIOZ2xWGj66HAnCi5O}\n")
	})
	wantResult(t, outrider(t, "healthcheck", "--url", addr),
		result{1, "", "outrider: the sidecar at " + addr + " wants credentials: give them with --http.config.file\n"})
	write("password", "opensesame\n") // found beside the file that names it
	good := write("good.yml", "basic_auth: {username: admin, password_file: password}\n")
	wantResult(t, outrider(t, "healthcheck", "--url", addr, "--http.config.file", good), result{0, "healthy\n", ""})

	bad := write("bad.yml", "basic_aut: {}\n")
	got := outrider(t, "targets", "--url", addr, "--http.config.file", bad)
	if got.code != 1 || !strings.Contains(got.err, "--http.config.file "+bad) || !strings.Contains(got.err, "basic_aut") {
		t.Errorf("%+v", got)
	}
	got = outrider(t, "targets", "--url", addr, "--http.config.file", filepath.Join(dir, "none.yml"))
	if got.code != 1 || !strings.Contains(got.err, "none.yml: no such file") {
		t.Errorf("%+v", got)
	}
}
