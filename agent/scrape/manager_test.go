package scrape

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/telemetry"
)

func TestRequestHeaders(t *testing.T) {
	const text = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5," +
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	for _, tc := range []struct {
		name             string
		change           func(*Config)
		accept, encoding string
	}{
		{"defaults", nil, text, "identity"},
		{
			"native histograms", func(c *Config) { c.ScrapeNativeHistograms = new(true) },
			"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5," +
				"application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1", "identity",
		},
		{
			"named, compressed", func(c *Config) {
				c.ScrapeProtocols, c.EnableCompression = []string{prometheus004}, true
			}, "text/plain;version=0.0.4;q=0.6,*/*;q=0.5", "gzip",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got http.Header
			var path string
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got, path = r.Header, r.URL.String()
				answer(zipped([]byte("a 1\n")), "Content-Type", text004, "Content-Encoding", "gzip")(w, r)
			})
			r := newRig(t)
			r.apply([]Job{checkout(tc.change)}, targetAt(t, address+"?x=1&x=2"))
			r.run()
			r.stop()
			want := http.Header{
				"Accept":                              {tc.accept},
				"Accept-Encoding":                     {tc.encoding},
				"User-Agent":                          {"outrider/test"},
				"X-Prometheus-Scrape-Timeout-Seconds": {"60"},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if path != "/metrics?x=1&x=2" {
				t.Errorf("path %s", path)
			}
			if sc := r.all()[0]; sc.Failed || sc.Series.Len() != 1+5 {
				t.Errorf("got %s", dump(sc))
			}
		})
	}
}

// counting starts a service that counts its connections.
func counting(t *testing.T, h http.HandlerFunc) (address string, made, open *atomic.Int64) {
	made, open = new(atomic.Int64), new(atomic.Int64)
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			made.Add(1)
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL + "/metrics", made, open
}

// reaches waits for a count that another process has to notice, such as a server that its
// client has closed the connection.
func reaches(t *testing.T, n *atomic.Int64, want int64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); n.Load() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("stays at %d, want %d", n.Load(), want)
			return
		}
	}
}

func TestReloadKeepsTheLoop(t *testing.T) {
	address, made, open := counting(t, answer([]byte("a 1\nb{x=\"1\"} 1\n"), "Content-Type", text004))
	r := newRig(t)
	r.apply([]Job{checkout(nil)}, targetAt(t, address))
	r.run()
	set := r.last().Series

	// The same again, from a file that was read again and a target that was found again.
	r.apply([]Job{checkout(nil)}, targetAt(t, address))
	r.scrapeAll()
	if r.last().Series != set {
		t.Error("same configuration: another shape")
	}
	// Another interval, timeout and limit.
	r.apply([]Job{checkout(func(c *Config) {
		c.ScrapeInterval, c.ScrapeTimeout, c.SampleLimit = model.Duration(2*time.Hour), model.Duration(time.Second), 2
	})}, targetAt(t, address))
	if got := r.Status()[0].Interval; got != 2*time.Hour {
		t.Errorf("interval %s", got)
	}
	r.scrapeAll()
	if r.last().Series != set {
		t.Error("other limits: another shape")
	}
	// Other relabelling: only the series it renames are ended.
	r.apply([]Job{checkout(func(c *Config) { c.MetricRelabelConfigs = []*relabel.Config{dropLabels("x")} })}, targetAt(t, address))
	r.scrapeAll()
	if got := markers(r.last()); got != "b" {
		t.Errorf("ended %q", got)
	}
	if n := made.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	for i, sc := range r.all() {
		if i < len(r.all())-1 && len(sc.Rest) > 0 {
			t.Errorf("scrape %d: %s", i, dump(sc))
		}
	}
	// Another client.
	r.apply([]Job{checkout(func(c *Config) {
		c.HTTPClient.BasicAuth = &promconfig.BasicAuth{Username: "u", Password: "p"}
	})}, targetAt(t, address))
	r.scrapeAll()
	if n := made.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
	reaches(t, open, 1)
	r.stop()
	reaches(t, open, 0)
}

func TestTargetGoesAndComesBack(t *testing.T) {
	address := serveText(t, "a 1\n")
	r := newRig(t)
	r.apply([]Job{checkout(nil)}, targetAt(t, address))
	r.run()
	r.apply([]Job{checkout(nil)})
	const all = "a up scrape_duration_seconds scrape_samples_scraped scrape_samples_post_metric_relabeling scrape_series_added"
	if got := markers(r.last()); got != all {
		t.Errorf("ended %q", got)
	}
	if len(r.Status()) != 0 {
		t.Errorf("status %+v", r.Status())
	}
	before := len(r.all())
	// The recorder sees to it that what comes back is newer than the markers.
	r.apply([]Job{checkout(nil)}, targetAt(t, address))
	r.scrapeAll()
	if got := r.all()[before:]; len(got) != 1 || got[0].Failed || got[0].Series.Len() != 1+5 {
		t.Errorf("got %d scrapes", len(got))
	}
	r.stop()
	if got := markers(r.last()); got != all {
		t.Errorf("ended %q at shutdown", got)
	}
}

func TestJobGoes(t *testing.T) {
	r := newRig(t)
	r.apply([]Job{checkout(nil)}, targetAt(t, serveText(t, "a 1\n")))
	r.run()
	if r.metric("outrider_scrape_targets", "target_job", "checkout") != 1 {
		t.Error("target not counted")
	}
	r.apply(nil)
	if n := r.metric("outrider_scrapes_total", "target_job", "checkout"); n != 0 {
		t.Errorf("metrics of a job that is gone: %v", n)
	}
}

func TestApplyRefuses(t *testing.T) {
	address := serveText(t, "a 1\n")
	r := newRig(t)
	r.apply([]Job{checkout(nil)}, targetAt(t, address))
	r.run()
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"interval", func(c *Config) { c.ScrapeInterval = 0 }, `job "checkout": scrape_interval: must be greater than 0`},
		{"timeout", func(c *Config) { c.ScrapeTimeout = 0 }, `job "checkout": scrape_timeout: must be greater than 0`},
		{"timeout and interval", func(c *Config) { c.ScrapeInterval = model.Duration(time.Second) }, `job "checkout": scrape_timeout: 1m is longer than scrape_interval 1s`},
		{"body size", func(c *Config) { c.BodySizeLimit = -1 }, `job "checkout": body_size_limit: must not be negative`},
		{"protocol", func(c *Config) { c.ScrapeProtocols = []string{"Text"} }, `job "checkout": scrape_protocols: unknown scrape protocol "Text", known are PrometheusProto, OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, PrometheusText0.0.4`},
		{"protocol twice", func(c *Config) { c.ScrapeProtocols = []string{prometheus004, prometheus004} }, `job "checkout": scrape_protocols: scrape protocol "PrometheusText0.0.4" is named twice`},
		{"fallback", func(c *Config) { c.FallbackScrapeProtocol = "Text" }, `job "checkout": fallback_scrape_protocol: unknown scrape protocol "Text", known are PrometheusProto, OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, PrometheusText0.0.4`},
		{"relabelling", func(c *Config) { c.MetricRelabelConfigs = []*relabel.Config{{Action: relabel.HashMod}} }, `job "checkout": metric_relabel_configs[0]: relabel configuration for hashmod requires non-zero modulus`},
		{"client", func(c *Config) { c.HTTPClient.TLSConfig.CAFile = "/does/not/exist" }, `job "checkout": unable to read CA cert: unable to read file /does/not/exist: open /does/not/exist: no such file or directory`},
	} {
		for name, targets := range map[string][]*telemetry.Target{"with a target": {targetAt(t, address)}, "without": nil} {
			err := r.Apply([]Job{checkout(tc.change)}, byJob(targets))
			if err == nil || err.Error() != tc.want {
				t.Errorf("%s %s:\ngot  %v\nwant %s", tc.name, name, err, tc.want)
			}
		}
	}
	r.scrapeAll()
	if sc := r.last(); sc.Failed || len(sc.Rest) > 0 {
		t.Errorf("a refused configuration changed something: %s", dump(sc))
	}
}

func TestScrapeAll(t *testing.T) {
	t.Run("does not run", func(t *testing.T) {
		if err := newRig(t).ScrapeAll(t.Context()); err == nil {
			t.Error("no error")
		}
	})
	t.Run("gives up with its context and delivers nothing of it", func(t *testing.T) {
		var hang atomic.Bool
		reached := make(chan struct{}, 1)
		address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if hang.Load() {
				reached <- struct{}{}
				<-r.Context().Done()
				return
			}
			answer([]byte("a 1\n"), "Content-Type", text004)(w, r)
		})
		r := newRig(t)
		r.apply([]Job{checkout(nil)}, targetAt(t, address))
		r.run()
		hang.Store(true)
		before := len(r.all())
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-reached; cancel() }()
		if err := r.ScrapeAll(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if got := r.all()[before:]; len(got) != 0 {
			t.Errorf("delivered %s", dump(got[0]))
		}
		hang.Store(false)
		r.scrapeAll()
		if sc := r.last(); sc.Failed || len(sc.Rest) > 0 {
			t.Errorf("left a trace: %s", dump(sc))
		}
	})
	t.Run("never two scrapes of one target at once", func(t *testing.T) {
		var at, most atomic.Int64
		address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			most.Store(max(most.Load(), at.Add(1)))
			time.Sleep(5 * time.Millisecond)
			at.Add(-1)
			answer([]byte("a 1\n"), "Content-Type", text004)(w, r)
		})
		r := newRig(t)
		r.apply([]Job{checkout(nil)}, targetAt(t, address))
		r.run()
		done := make(chan error)
		for range 5 {
			go func() { done <- r.ScrapeAll(t.Context()) }()
		}
		for range 5 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if most.Load() != 1 || len(r.all()) != 6 {
			t.Errorf("%d at once, %d scrapes", most.Load(), len(r.all()))
		}
	})
	t.Run("reaches every target", func(t *testing.T) {
		r := newRig(t)
		a, b := targetAt(t, serveText(t, "a 1\n")), targetAt(t, refused(t))
		b.Labels = labels.FromStrings("job", "checkout", "instance", "pod-2:8080")
		r.apply([]Job{checkout(nil)}, a, b)
		r.run()
		status := r.Status()
		if len(status) != 2 || status[0].Health == status[1].Health {
			t.Errorf("status %+v", status)
		}
	})
}

func TestShutdownCutsScrapeShort(t *testing.T) {
	reached := make(chan struct{}, 10)
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		<-r.Context().Done()
	})
	r := newRig(t)
	r.apply([]Job{checkout(nil)}, targetAt(t, address))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	go func() {
		for r.ScrapeAll(ctx) != nil && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}()
	<-reached
	if err := r.Run(ctx); err == nil {
		t.Error("ran twice at once")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := r.all(); len(got) != 0 {
		t.Errorf("delivered %s", dump(got[0]))
	}
}

func TestSinkErrorDoesNotStopTheLoop(t *testing.T) {
	r := newRig(t)
	r.err = errors.New("queue full")
	r.apply([]Job{checkout(nil)}, targetAt(t, serveText(t, "a 1\n")))
	r.run()
	r.scrapeAll()
	if len(r.all()) != 2 || r.metric("outrider_scrape_delivery_errors_total", "target_job", "checkout") != 2 {
		t.Errorf("%d scrapes", len(r.all()))
	}
	if !strings.Contains(r.log.String(), `msg="scrape could not be delivered" target=checkout/pod-1:8080 job=checkout err="queue full"`) {
		t.Errorf("log: %s", r.log)
	}
}

// failing gives part of its metrics, as a registry does when one collector fails.
type failing struct {
	prometheus.Gatherer
	none bool
}

func (f failing) Gather() (out []*dto.MetricFamily, err error) {
	if !f.none {
		out, _ = f.Gatherer.Gather()
	}
	return out, errors.New("collector broke")
}

func TestGatherer(t *testing.T) {
	reg := prometheus.NewRegistry()
	nativeHistogram(reg, false).Observe(1)
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "a", Help: "A."}, func() float64 { return 7 }))
	job := checkout(nil)
	job.Gatherer = reg
	r := newRig(t)
	target := targetAt(t, "http://127.0.0.1:1/never/asked")
	r.apply([]Job{job}, target)
	r.run()
	sc := r.last()
	if sc.Failed || sc.Series.Len() != 1+5 || sc.Values[0] != 7 || len(sc.Rest) != 1 || sc.Rest[0].Kind != telemetry.KindHistogram {
		t.Errorf("got %s", dump(sc))
	}
	job.Gatherer = failing{Gatherer: reg}
	r.apply([]Job{job}, target)
	r.scrapeAll()
	if sc := r.last(); sc.Failed || sc.Series.Len() != 1+5 || !strings.Contains(r.log.String(), `err="collector broke"`) {
		t.Errorf("got %s", dump(sc))
	}
	job.Gatherer = failing{none: true}
	r.apply([]Job{job}, target)
	r.scrapeAll()
	if sc := r.last(); !sc.Failed || r.Status()[0].LastError != "gather: collector broke" || markers(sc) != "a latency_seconds" && markers(sc) != "latency_seconds a" {
		t.Errorf("got %s: %s", r.Status()[0].LastError, dump(sc))
	}
}

func TestSameJob(t *testing.T) {
	rule := func() Job {
		return checkout(func(c *Config) { c.MetricRelabelConfigs = []*relabel.Config{dropNames("a.*")} })
	}
	gatherer := func(g prometheus.Gatherer) Job {
		job := checkout(nil)
		job.Gatherer = g
		return job
	}
	reg := prometheus.NewRegistry()
	none := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, nil })
	for _, tc := range []struct {
		name string
		a, b Job
		want bool
	}{
		{"rules from two readings of one file", rule(), rule(), true},
		{"other rules", rule(), checkout(nil), false},
		{"registry", gatherer(reg), gatherer(reg), true},
		{"registry or not", gatherer(reg), checkout(nil), false},
		{"functions cannot be compared", gatherer(none), gatherer(none), false},
	} {
		if got := tc.a.same(&tc.b); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
