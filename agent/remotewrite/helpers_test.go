package remotewrite

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"outrider/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// t0 is the time of the first scrape in most tests.
const t0 = int64(1_790_000_000_000)

func target(instance string) *telemetry.Target {
	return &telemetry.Target{
		Job:    "checkout",
		URL:    &url.URL{Scheme: "http", Host: instance, Path: "/metrics"},
		Labels: labels.FromStrings("instance", instance, "job", "checkout"),
	}
}

// seriesSet makes n counters m0, m1, ... of one target.
func seriesSet(n int) *telemetry.SeriesSet {
	lsets := make([]labels.Labels, n)
	mds := make([]*telemetry.Metadata, n)
	for i := range n {
		lsets[i] = labels.FromStrings("__name__", fmt.Sprintf("m%d", i), "instance", "pod-1:8080", "job", "checkout")
		mds[i] = &telemetry.Metadata{Family: fmt.Sprintf("m%d", i), Type: model.MetricTypeCounter, Help: "Help of it.", Unit: "seconds"}
	}
	return telemetry.NewSeriesSet(lsets, mds)
}

// scrapeOf gives series i the value 1000*i + the number of seconds since t0.
func scrapeOf(t *telemetry.Target, set *telemetry.SeriesSet, ms int64) *telemetry.Scrape {
	values := make([]float64, set.Len())
	for i := range values {
		values[i] = float64(1000*i) + float64(ms-t0)/1000
	}
	return &telemetry.Scrape{Target: t, TimeMs: ms, Series: set, Values: values}
}

// rig is a Manager with its books, under test.
type rig struct {
	*Manager
	t   testing.TB
	reg *prometheus.Registry
	log *logBuffer
}

func newRig(t testing.TB, o Options) *rig {
	t.Helper()
	reg, log := prometheus.NewPedanticRegistry(), new(logBuffer)
	o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.Registerer = reg
	o.UserAgent = "outrider/test"
	m := New(o)
	m.tuning.retryMin, m.tuning.retryMax = time.Millisecond, 5*time.Millisecond
	m.tuning.misconfiguredWait = 5 * time.Millisecond
	m.tuning.bisectEvery = time.Millisecond
	return &rig{Manager: m, t: t, reg: reg, log: log}
}

// through makes all clients use a transport.
func (r *rig) through(rt http.RoundTripper) {
	r.newClient = func(cfg *Config, name, userAgent string) (*client, error) {
		c, err := newClient(cfg, name, userAgent)
		if err == nil {
			c.http.Transport = rt
		}
		return c, err
	}
}

// start runs the manager until the test ends or the function returned is called.
func (r *rig) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				r.t.Errorf("Run: %v", err)
			}
		})
	}
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) apply(configs ...*Config) {
	r.t.Helper()
	if err := r.Apply(configs, labels.EmptyLabels()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) append(scrapes ...*telemetry.Scrape) {
	r.t.Helper()
	for _, s := range scrapes {
		if err := r.Append(s); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) flush() {
	r.t.Helper()
	r.flushWithin(time.Minute)
}

func (r *rig) flushWithin(d time.Duration) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if err := r.Flush(ctx); err != nil {
		r.t.Fatal(err)
	}
}

// sum adds up a metric over all series that have the given label pairs.
func (r *rig) sum(name string, pairs ...string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() != "outrider_remote_write_"+name {
			continue
		}
		for _, m := range f.Metric {
			labels := make(map[string]string)
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			matches := true
			for i := 0; i < len(pairs); i += 2 {
				matches = matches && labels[pairs[i]] == pairs[i+1]
			}
			if matches {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return total
}

// books checks that every sample that was queued is accounted for.
func (r *rig) books() {
	r.t.Helper()
	waiting := 0.0
	for _, ep := range *r.endpoints.Load() {
		waiting += float64(ep.fill().samples)
	}
	in := r.sum("samples_queued_total") + r.sum("samples_recovered_total")
	delivered, dropped, quarantined := r.sum("samples_delivered_total"), r.sum("samples_dropped_total"), r.sum("samples_quarantined_total")
	if in != delivered+dropped+quarantined+waiting {
		r.t.Errorf("the books do not balance: %v queued or recovered, but %v delivered + %v dropped + %v quarantined + %v waiting",
			in, delivered, dropped, quarantined, waiting)
	}
}

func (r *rig) want(name string, value float64, pairs ...string) {
	r.t.Helper()
	if got := r.sum(name, pairs...); got != value {
		r.t.Errorf("%s%v = %v, want %v", name, pairs, got, value)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// config is one for a receiver at an address.
func config(address, message string) *Config {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return &Config{
		URL:                  &promconfig.URL{URL: u},
		Name:                 "main",
		RemoteTimeout:        model.Duration(10 * time.Second),
		ProtobufMessage:      message,
		SendExemplars:        true,
		SendNativeHistograms: true,
		HTTPClient:           promconfig.DefaultHTTPClientConfig,
	}
}
