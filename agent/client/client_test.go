package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"outrider/agent/console"
	"outrider/telemetry"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func newClient(t *testing.T, address string) *Client {
	t.Helper()
	c, err := New(address, promconfig.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// sidecar runs a real console.
func sidecar(t *testing.T, change func(*console.Options)) *console.Console {
	t.Helper()
	reg := prometheus.NewRegistry()
	opts := console.Options{
		ListenAddress:    "127.0.0.1:0",
		TelemetryAddress: "127.0.0.1:0",
		Logger:           slog.New(slog.DiscardHandler),
		Registerer:       reg,
		Gatherer:         reg,
		Snapshot: func() console.Snapshot {
			return console.Snapshot{
				Version:   "1.2.3",
				Started:   time.Now().Add(-time.Hour),
				Endpoints: []telemetry.EndpointStatus{{Kind: "remote_write", Name: "prom", Queued: 2}},
			}
		},
		Reload: func(context.Context) error { return nil },
		Flush:  func(context.Context) error { return nil },
		Capture: func(_ context.Context, target, typ string, seconds int) ([]byte, *telemetry.Target, error) {
			t := &telemetry.Target{URL: &url.URL{}, Labels: labels.FromStrings("job", "shop", "instance", "a:1")}
			return fmt.Appendf(nil, "%s %s %d", target, typ, seconds), t, nil
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
	return c
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v, want one with %q", err, text)
	}
}

func TestCallsOfARealSidecar(t *testing.T) {
	c := newClient(t, sidecar(t, nil).Addr()) // without a scheme
	status, err := c.Status(t.Context())
	if err != nil || status.Version != "1.2.3" || status.UptimeSeconds < 3600 || len(status.Endpoints) != 1 {
		t.Errorf("Status: %+v, %v", status, err)
	}
	if err := c.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Healthy(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	res, err := c.Flush(t.Context(), time.Second)
	if err != nil || res.Error != "" || len(res.Endpoints) != 1 {
		t.Errorf("Flush: %+v, %v", res, err)
	}
	for seconds, want := range map[int]string{0: "shop/a:1 cpu 0", 7: "shop/a:1 cpu 7"} {
		var b bytes.Buffer
		name, err := c.Capture(t.Context(), "shop/a:1", "cpu", seconds, &b)
		if err != nil || b.String() != want || !strings.HasPrefix(name, "shop-cpu-") {
			t.Errorf("Capture: %q, %q, %v", name, b.String(), err)
		}
	}
}

func TestFailuresOfARealSidecar(t *testing.T) {
	broken := sidecar(t, func(o *console.Options) {
		o.Reload = func(context.Context) error { return errors.New("outrider.yml:1: nonsense") }
		o.Flush = func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("prom: 2 left: %w", ctx.Err())
		}
		o.Capture = func(context.Context, string, string, int) ([]byte, *telemetry.Target, error) {
			return nil, nil, &console.Error{Code: http.StatusNotFound, Err: errors.New(`unknown target "x": there are a, b`)}
		}
		o.Ready = func() error { return errors.New("configuration not loaded") }
		o.Healthy = func() error { return errors.New("scrape loop ended") }
	})
	c := newClient(t, "http://"+broken.Addr())
	err := c.Reload(t.Context())
	wantError(t, err, "configuration not changed: outrider.yml:1: nonsense")
	if e, ok := errors.AsType[*StatusError](err); !ok || e.Code != http.StatusInternalServerError {
		t.Errorf("Reload: %#v", err)
	}
	wantError(t, c.Ready(t.Context()), "not ready: configuration not loaded")
	wantError(t, c.Healthy(t.Context()), "not healthy: scrape loop ended")
	_, err = c.Capture(t.Context(), "x", "cpu", 0, io.Discard)
	wantError(t, err, `unknown target "x": there are a, b`)

	// A flush that did not get done is a result, not a failure to ask.
	res, err := c.Flush(t.Context(), 10*time.Millisecond)
	if err != nil || !strings.Contains(res.Error, "prom: 2 left") || len(res.Endpoints) != 1 || res.Endpoints[0].Queued != 2 {
		t.Errorf("Flush: %+v, %v", res, err)
	}
	_, err = c.Flush(t.Context(), time.Hour)
	wantError(t, err, "want a duration up to")

	// The other door has health, and says so of the rest.
	c = newClient(t, "http://"+broken.TelemetryAddr())
	_, err = c.Status(t.Context())
	wantError(t, err, "is not the main door of a sidecar")
}

func TestNobodyAnswers(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	want := "no sidecar answers at " + gone.URL + ": is it running? give its address with --url or OUTRIDER_URL"
	c := newClient(t, gone.URL)
	_, err := c.Status(t.Context())
	wantError(t, err, want)
	_, err = c.Flush(t.Context(), time.Second)
	wantError(t, err, want)
	_, err = c.Capture(t.Context(), "a", "cpu", 1, io.Discard)
	wantError(t, err, want)
	wantError(t, c.Reload(t.Context()), want)
	wantError(t, c.Healthy(t.Context()), want)
}

func TestSomebodyElseAnswers(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"is not a sidecar": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<html>hello")
		},
		"wants credentials: give them with --http.config.file": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
		},
		"is not the main door of a sidecar": http.NotFound,
		"answers 502 Bad Gateway": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
		},
		"Forbidden: go away": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Forbidden:\n\tgo \x1b\xff away", http.StatusForbidden)
		},
	}
	for want, h := range answers {
		srv := httptest.NewServer(h)
		c := newClient(t, srv.URL)
		_, err := c.Status(t.Context())
		wantError(t, err, want)
		_, err = c.Flush(t.Context(), time.Second)
		wantError(t, err, want)
		_, err = c.Capture(t.Context(), "a", "cpu", 1, io.Discard)
		wantError(t, err, want)
		c.Close()
		srv.Close()
	}
}

func TestHalfAProfileIsAnError(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
	}))
	defer srv.Close()
	_, err := newClient(t, srv.URL).Capture(t.Context(), "a", "cpu", 1, io.Discard)
	wantError(t, err, "receive profile: unexpected EOF")
}

func TestProposedNameNeverLeavesTheFolder(t *testing.T) {
	for header, want := range map[string]string{
		`attachment; filename="shop-cpu.pb.gz"`:   "shop-cpu.pb.gz",
		`attachment; filename="../../etc/passwd"`: "passwd",
		`attachment; filename="/"`:                "cpu.pb.gz",
		`attachment; filename=".."`:               "cpu.pb.gz",
		`attachment; filename=".bashrc"`:          "cpu.pb.gz",
		`attachment`:                              "cpu.pb.gz",
		``:                                        "cpu.pb.gz",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Disposition", header)
		}))
		c := newClient(t, srv.URL)
		got, err := c.Capture(t.Context(), "a", "cpu", 1, io.Discard)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", header, got, err, want)
		}
		c.Close()
		srv.Close()
	}
}

// silent never answers.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestEveryCallHasADeadline(t *testing.T) {
	for name, call := range map[string]func(context.Context, *Client) error{
		"status": func(ctx context.Context, c *Client) error { _, err := c.Status(ctx); return err },
		"reload": func(ctx context.Context, c *Client) error { return c.Reload(ctx) },
		"flush":  func(ctx context.Context, c *Client) error { _, err := c.Flush(ctx, time.Minute); return err },
		"capture": func(ctx context.Context, c *Client) error {
			_, err := c.Capture(ctx, "", "cpu", 300, io.Discard)
			return err
		},
		"healthy": func(ctx context.Context, c *Client) error { return c.Healthy(ctx) },
		"ready":   func(ctx context.Context, c *Client) error { return c.Ready(ctx) },
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &Client{base: &url.URL{Scheme: "http", Host: "sidecar"}, http: &http.Client{Transport: silent{}}}
			if err := call(t.Context(), c); err == nil || err.Error() != "the sidecar at http://sidecar did not answer in time" {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &Client{base: &url.URL{Scheme: "http", Host: "sidecar"}, http: &http.Client{Transport: silent{}}}
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestNewChecksTheAddress(t *testing.T) {
	for address, want := range map[string]string{
		"ftp://x":                `address of the sidecar "ftp://x": want http(s)://host:port`,
		"http://":                `want http(s)://host:port`,
		"":                       `want http(s)://host:port`,
		"http://me:hunter2@%zz/": "address of the sidecar",
	} {
		_, err := New(address, promconfig.DefaultHTTPClientConfig)
		wantError(t, err, want)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("shows the password: %v", err)
		}
	}
}
