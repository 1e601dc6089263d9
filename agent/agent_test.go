package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	"go.uber.org/goleak"
)

// receiver is a remote-write 1.0 endpoint that keeps what it is sent.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	status  int
	samples map[string][]prompb.Sample // by "name job instance"
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: http.StatusNoContent, samples: map[string][]prompb.Sample{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.status/100 != 2 {
			w.WriteHeader(r.status)
			return
		}
		raw, err := snappy.Decode(nil, body)
		if err != nil {
			t.Error(err)
		}
		var wr prompb.WriteRequest
		if err := wr.Unmarshal(raw); err != nil {
			t.Error(err)
		}
		for _, ts := range wr.Timeseries {
			l := map[string]string{}
			for _, pair := range ts.Labels {
				l[pair.Name] = pair.Value
			}
			key := l["__name__"] + " " + l["job"] + " " + l["instance"]
			r.samples[key] = append(r.samples[key], ts.Samples...)
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) get(key string) []prompb.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]prompb.Sample(nil), r.samples[key]...)
}

// service is a target with one counter that grows with every scrape.
func newService(t *testing.T) *httptest.Server {
	reg := prometheus.NewRegistry()
	scrapes := prometheus.NewCounter(prometheus.CounterOpts{Name: "shop_scrapes_total", Help: "Scrapes."})
	reg.MustRegister(scrapes)
	metrics := promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scrapes.Inc()
		metrics.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// eventually asks until ok says yes; what it waits for happens in other goroutines.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// interval is long enough that a busy machine does not make a scrape time out, which would
// look like a loss.
const interval = "1s"

func configFile(job string, service, receiver *httptest.Server) string {
	return fmt.Sprintf(`
global: {scrape_interval: %[1]s, scrape_timeout: %[1]s}
scrape_configs:
  - job_name: %[2]s
    static_configs: [{targets: [%[3]q]}]
remote_write:
  - url: %[4]s/api/v1/write
`, interval, job, service.Listener.Addr(), receiver.URL)
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newTestAgent(t *testing.T, file string) *Agent {
	t.Helper()
	a, err := New(Options{
		ConfigFile:    file,
		StoragePath:   t.TempDir(),
		ListenAddress: "127.0.0.1:0",
		DrainTimeout:  10 * time.Second,
		Version:       "test",
		Logger:        slog.New(slog.DiscardHandler),
		Getenv: func(name string) string {
			return map[string]string{"POD_NAME": "pod-1", "POD_NAMESPACE": "shop"}[name]
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func portOf(s *httptest.Server) string {
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	return port
}

func TestRide(t *testing.T) {
	defer goleak.VerifyNone(t)
	defer http.DefaultClient.CloseIdleConnections()
	service, to := newService(t), newReceiver(t)
	defer service.Close()
	defer to.Close()
	file := filepath.Join(t.TempDir(), "outrider.yml")
	writeFile(t, file, configFile("shop", service, to.Server))
	a := newTestAgent(t, file)
	instance := "pod-1:" + portOf(service)

	drain, end := context.WithCancel(t.Context())
	defer end()
	done := make(chan error, 1)
	go func() { done <- a.Run(drain, t.Context()) }()

	eventually(t, "the service's counter arrives", func() bool { return len(to.get("shop_scrapes_total shop "+instance)) >= 2 })
	eventually(t, "our own metrics arrive under our own job", func() bool {
		return len(to.get("outrider_build_info outrider pod-1:"+portFrom(a.console.Addr()))) > 0
	})

	// A bad file changes nothing, says why, and shows in a metric.
	writeFile(t, file, "scrape_configs: [{job_name: }]")
	if err := a.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "outrider.yml:1: scrape_configs[0]") {
		t.Errorf("reload of a bad file: %v", err)
	}
	if got := testutil.ToFloat64(a.metrics.reloadOK); got != 0 {
		t.Errorf("outrider_config_last_reload_successful is %v after a bad file", got)
	}
	if s := a.snapshot(); s.Config.Error == "" {
		t.Error("the bad file does not show in the snapshot")
	}

	// The backend goes away; a flush says so and what is left.
	to.answer(http.StatusServiceUnavailable)
	short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	if err := a.Flush(short); err == nil {
		t.Error("a flush with the backend away reports success")
	}
	cancel()
	before := len(to.get("shop_scrapes_total shop " + instance))

	// Another job takes over; the target's former series end with markers.
	to.answer(http.StatusNoContent)
	writeFile(t, file, configFile("store", service, to.Server))
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what was queued arrives", func() bool { return len(to.get("shop_scrapes_total shop "+instance)) > before })
	eventually(t, "the new job arrives", func() bool { return len(to.get("shop_scrapes_total store "+instance)) > 0 })
	eventually(t, "the former job ends with a staleness marker", func() bool { return endsStale(to.get("up shop " + instance)) })

	// The end: one last scrape, then a marker, and both are delivered.
	end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"shop_scrapes_total store " + instance, "up store " + instance} {
		got := to.get(key)
		if !endsStale(got) {
			t.Errorf("%s does not end with a staleness marker", key)
		}
		for i := 1; i < len(got); i++ {
			if got[i].Timestamp <= got[i-1].Timestamp {
				t.Errorf("%s: sample %d is not later than the one before", key, i)
			}
		}
	}
	// Every scrape the service served has arrived, each once: its counter has no gap.
	var values []float64
	for _, job := range []string{"shop", "store"} {
		for _, s := range to.get("shop_scrapes_total " + job + " " + instance) {
			if !value.IsStaleNaN(s.Value) {
				values = append(values, s.Value)
			}
		}
	}
	for i, v := range values {
		if v != float64(i+1) {
			t.Fatalf("scrape %d of the service carries %v: one is missing or twice, of %v", i+1, v, values)
		}
	}
}

func endsStale(samples []prompb.Sample) bool {
	return len(samples) > 0 && value.IsStaleNaN(samples[len(samples)-1].Value)
}

func portFrom(addr string) string {
	_, port, _ := strings.Cut(addr, ":")
	return port
}

func TestAbortCutsTheDrainShort(t *testing.T) {
	defer goleak.VerifyNone(t)
	service, to := newService(t), newReceiver(t)
	defer service.Close()
	defer to.Close()
	to.answer(http.StatusServiceUnavailable)
	file := filepath.Join(t.TempDir(), "outrider.yml")
	writeFile(t, file, configFile("shop", service, to.Server))
	a := newTestAgent(t, file)
	a.opts.DrainTimeout = time.Hour

	drain, end := context.WithCancel(t.Context())
	abort, endNow := context.WithCancel(t.Context())
	defer endNow()
	done := make(chan error, 1)
	go func() { done <- a.Run(drain, abort) }()
	eventually(t, "a request waits", func() bool {
		s := a.writer.Status()
		return len(s) == 1 && s[0].Queued > 0
	})
	end()
	select {
	case err := <-done:
		t.Fatalf("the drain ended with the queue full: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	endNow()
	if err := <-done; !errors.Is(err, ErrAborted) {
		t.Errorf("got %v, want %v", err, ErrAborted)
	}
}

func TestMetricsAreLintClean(t *testing.T) {
	reg := prometheus.NewRegistry()
	newMetrics(reg)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
