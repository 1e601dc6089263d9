package scrape

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"outrider/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a sink that keeps copies of what it gets, and checks it.
type recorder struct {
	t  testing.TB
	mu sync.Mutex

	scrapes []*telemetry.Scrape
	lastMs  map[string]int64 // by series
	err     error            // to answer
}

func (r *recorder) record(sc *telemetry.Scrape) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	checkScrape(r.t, sc)
	own := *sc
	own.Values, own.Rest = slices.Clone(sc.Values), slices.Clone(sc.Rest)
	r.scrapes = append(r.scrapes, &own)
	if r.lastMs == nil || sc.ClockReset {
		r.lastMs = map[string]int64{}
	}
	for i := range sc.Series.Len() {
		r.newer(sc.Series.At(i), sc.TimeMs)
	}
	for _, s := range sc.Rest {
		if s.Kind != telemetry.KindExemplar {
			r.newer(s.Labels, s.TimeMs)
		}
	}
	return r.err
}

func (r *recorder) newer(lset labels.Labels, timeMs int64) {
	if key := lset.String(); timeMs <= r.lastMs[key] {
		r.t.Errorf("%s: sample at %d after one at %d", key, timeMs, r.lastMs[key])
	} else {
		r.lastMs[key] = timeMs
	}
}

// all returns what has come so far.
func (r *recorder) all() []*telemetry.Scrape {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.scrapes)
}

func (r *recorder) last() *telemetry.Scrape {
	all := r.all()
	if len(all) == 0 {
		r.t.Fatal("nothing was scraped")
	}
	return all[len(all)-1]
}

// rig is a manager with all that is around it.
type rig struct {
	*Manager
	recorder
	registry *prometheus.Registry
	log      *lockedBuffer
	stop     func() // Run, and waits for it
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newRig makes a manager and runs it until the test ends.
func newRig(t testing.TB) *rig {
	r := &rig{recorder: recorder{t: t}, registry: prometheus.NewRegistry(), log: &lockedBuffer{}}
	r.Manager = New(Options{
		Logger:     slog.New(slog.NewTextHandler(r.log, nil)),
		Registerer: r.registry,
		Sink:       r.record,
		UserAgent:  "outrider/test",
	})
	return r
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	for r.ScrapeAll(ctx) != nil { // it takes a moment until it runs
		time.Sleep(time.Millisecond)
	}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(r.stop)
}

func (r *rig) apply(jobs []Job, targets ...*telemetry.Target) {
	r.t.Helper()
	if err := r.Apply(jobs, byJob(targets)); err != nil {
		r.t.Fatal(err)
	}
}

func byJob(targets []*telemetry.Target) map[string][]*telemetry.Target {
	out := map[string][]*telemetry.Target{}
	for _, t := range targets {
		out[t.Job] = append(out[t.Job], t)
	}
	return out
}

func (r *rig) scrapeAll() {
	r.t.Helper()
	if err := r.ScrapeAll(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// metric returns the value of an own metric of job checkout.
func (r *rig) metric(name string, pairs ...string) float64 {
	r.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			found := 0
			for _, l := range m.GetLabel() {
				for i := 0; i < len(pairs); i += 2 {
					if l.GetName() == pairs[i] && l.GetValue() == pairs[i+1] {
						found += 2
					}
				}
			}
			if found == len(pairs) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return 0
}

// checkout is a job whose interval is so long that only ScrapeAll scrapes.
func checkout(change func(*Config)) Job {
	cfg := Config{ScrapeInterval: model.Duration(time.Hour), ScrapeTimeout: model.Duration(time.Minute), HonorTimestamps: true}
	if change != nil {
		change(&cfg)
	}
	return Job{Name: "checkout", Config: cfg}
}

func targetAt(t testing.TB, rawURL string) *telemetry.Target {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return &telemetry.Target{Job: "checkout", URL: u, Labels: testTarget}
}

// serve starts a service on loopback.
func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/metrics"
}

// serveText starts a service that exposes body.
func serveText(t testing.TB, body string) string {
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", text004)
		_, _ = w.Write([]byte(body))
	})
}

func TestMetricsLint(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg)
	m.start("checkout")
	m.targets.WithLabelValues("checkout").Set(1)
	of := m.of("checkout")
	of.scraped(report{tally: tally{duplicates: 1, tooNew: 1, tooOld: 1, outOfOrder: 1, exemplars: 1}}, 1)
	of.delivered(tally{added: 1}, 1)
	of.failed(reasonSamples)
	of.exploded(&telemetry.Explosion{Metric: "a", Label: "b", Values: 1})
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
	if len(families) != 15 {
		t.Errorf("%d families: some are not covered here", len(families))
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "outrider_scrape") {
			t.Errorf("name %s", f.GetName())
		}
	}
	m.forget("checkout")
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 0 {
		t.Errorf("%d series left of a job that is gone, %v", n, err)
	}
}
