package pyroscope

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
)

func TestApplyKeepsQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.push("a")
		same := *r.config
		before := (*r.endpoints.Load())[0].settings.Load()
		r.apply(&same)
		if (*r.endpoints.Load())[0].settings.Load() != before {
			t.Error("an equal configuration made new settings")
		}
		other := *r.config
		other.Name = "q"
		changed := *r.config
		changed.Tenant = "team-b"
		r.apply(&changed, &other)
		r.push("b")
		if s := r.Status(); len(s) != 2 || s[0].Queued != 2 || s[1].Queued != 1 {
			t.Errorf("status %+v", s)
		}
		r.run()
		time.Sleep(time.Second)
		got := map[string]string{}
		for _, p := range r.server.profiles() {
			got[p.tenant] += p.id()
		}
		if len(r.server.profiles()) != 3 || len(got["team-b"]) != 2 || got[""] != "b" {
			t.Errorf("stored by tenant: %v", got)
		}
		r.apply(&changed)
		if n := testutil.CollectAndCount(r.metrics.queueLength); n != 1 {
			t.Errorf("%d endpoints show a queue", n)
		}
	})
}

func TestEndpointThatGoesInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.server.set(func() { r.server.delay = time.Second })
		for range 10 {
			r.push("x")
		}
		r.run()
		time.Sleep(100 * time.Millisecond) // one is being sent
		r.apply()
		if n := r.dropped(lostEndpointRemoved); n != 10 {
			t.Errorf("%v profiles dropped", n)
		}
		r.push("nobody wants it")
		time.Sleep(time.Minute)
		// It may come back, and begins anew.
		r.apply(r.config)
		r.push("y")
		time.Sleep(time.Minute)
		if got := r.server.ids(); got != "x y" && got != "y" {
			t.Errorf("stored %s", got)
		}
	})
}

func TestApplyRefusesWhole(t *testing.T) {
	r := newRig(t, Options{})
	named := func(name string, f func(*Config)) *Config {
		c := &Config{URL: mustURL(t, "http://127.0.0.1:4041"), Name: name}
		f(c)
		return c
	}
	for want, bad := range map[string]*Config{
		`pyroscope_write: more than one endpoint is named "p"`: named("p", func(*Config) {}),
		`pyroscope_write "q": url is missing`:                  named("q", func(c *Config) { c.URL = nil }),
		`pyroscope_write "q": labels: __name__: names that begin with two underscores are the server's`: named("q", func(c *Config) {
			c.Labels = map[string]string{"__name__": "x"}
		}),
		`pyroscope_write "q": make HTTP client: `: named("q", func(c *Config) {
			c.HTTPClient.TLSConfig = promconfig.TLSConfig{CAFile: "/nonexistent"}
		}),
	} {
		changed := *r.config
		changed.Tenant = "other"
		err := r.Apply([]*Config{&changed, bad}, labels.EmptyLabels())
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
		if s := r.status(); s.Name != "p" || (*r.endpoints.Load())[0].settings.Load().cfg.Tenant != "" {
			t.Errorf("a refused change had an effect: %+v", s)
		}
	}
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		if err := r.Flush(t.Context()); err != nil {
			t.Errorf("of an empty queue: %v", err)
		}
		down := reply{status: 503}
		r.server.every(&down)
		r.run()
		r.push("a")
		r.push("b")
		time.Sleep(5 * time.Minute) // it waits for half a minute between two tries by now
		before := r.server.count()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := r.Flush(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "flush profiles: context deadline exceeded: p has 2 profiles with 0 KiB left" {
			t.Errorf("error %v", err)
		}
		if n := r.server.count() - before; n < 9 || n > 12 {
			t.Errorf("%d tries in a flush of ten seconds", n)
		}
		r.server.every(nil)
		start := time.Now()
		if err := r.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("flushed after %s", d)
		}
	})
}

// A profile in flight when the sidecar stops is still in the queue.
func TestRunEndsInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.server.set(func() { r.server.delay = 5 * time.Second })
		r.push("a")
		r.push("b")
		r.run()
		time.Sleep(time.Second)
		r.stop()
		r.expectQueue(2)
		if n := testutil.CollectAndCount(r.metrics.retries); n != 0 {
			t.Errorf("our own end was counted as a failure")
		}
		r.run()
		time.Sleep(time.Minute)
		r.expectQueue(0)
	})
}

func TestMetricsAreLintClean(t *testing.T) {
	r := newRig(t, Options{})
	ep := r.metrics.endpoint("p")
	ep.dropped(lostExpired)
	ep.request(0)
	ep.request(429)
	ep.retry("timeout")
	problems, err := testutil.GatherAndLint(r.reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		got = append(got, strings.TrimPrefix(f.GetName(), "outrider_pyroscope_"))
	}
	want := []string{
		"last_success_timestamp_seconds", "misconfigured",
		"profiles_delivered_total", "profiles_dropped_total", "profiles_queued_total",
		"queue_bytes", "queue_capacity_bytes", "queue_oldest_timestamp_seconds", "queue_profiles",
		"request_duration_seconds", "requests_total", "retries_total", "sent_bytes_total",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	r.metrics.queued.WithLabelValues("p").Inc() // for the account
}
