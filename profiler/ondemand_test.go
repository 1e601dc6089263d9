package profiler

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"outrider/telemetry"
)

func TestCaptureOnDemand(t *testing.T) {
	srv := pprofServer(t)
	m := New(Options{
		Logger: discard(), Registerer: prometheus.NewRegistry(),
		Sink: func(*telemetry.Profile) error { return nil }, // of the schedule, which goes on
	})
	target := newTarget(t, "checkout", srv.URL+"/debug/pprof")
	if err := m.Apply([]Job{{Name: "checkout"}}, map[string][]*telemetry.Target{"checkout": {target}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	defer func() { cancel(); <-done }()

	for _, info := range Types() {
		seconds := 0
		if info.Duration > 0 {
			seconds = 1
		}
		data, got, err := m.Capture(t.Context(), "", info.Name, seconds)
		if err != nil {
			t.Errorf("%s: %v", info.Name, err)
			continue
		}
		if got != target {
			t.Errorf("%s: taken of %v", info.Name, got)
		}
		p := mustParse(t, data)
		if err := checkSampleTypes(p, lookup(info.Name).sampleTypes); err != nil {
			t.Errorf("%s: %v", info.Name, err)
		}
		if d := time.Duration(p.DurationNanos); seconds > 0 && (d < time.Second/2 || d > 9*time.Second) {
			t.Errorf("%s: lasted %s", info.Name, d)
		}
	}
}

func TestCaptureErrors(t *testing.T) {
	mux := http.NewServeMux()
	srv := pprofServer(t)
	srv.Config.Handler = mux
	m := New(Options{Logger: discard(), Registerer: prometheus.NewRegistry()})
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	if _, _, err := m.Capture(t.Context(), "x", "cpu", 0); err == nil || err.Error() != `unknown target "x": no targets are profiled` {
		t.Errorf("without targets: %v", err)
	}
	targets := []*telemetry.Target{
		newTarget(t, "checkout", srv.URL+"/debug/pprof", "instance", "pod-1:8080"),
		newTarget(t, "checkout", srv.URL+"/other/pprof", "instance", "pod-2:8080"),
	}
	if err := m.Apply([]Job{{Name: "checkout"}}, map[string][]*telemetry.Target{"checkout": targets}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		target, typ string
		seconds     int
		want        string
	}{
		{"checkout", "cpu", 0, `target "checkout" is ambiguous: it may be checkout/pod-1:8080, checkout/pod-2:8080`},
		{"", "cpu", 0, `target "" is ambiguous: it may be checkout/pod-1:8080, checkout/pod-2:8080`},
		{"cart", "cpu", 0, `unknown target "cart": there are checkout/pod-1:8080, checkout/pod-2:8080`},
		{"pod-1:8080", "heap", 0, `unknown profile type "heap": there are block, cpu, goroutine, memory, mutex`},
		{"pod-1:8080", "memory", 5, `a memory profile is a snapshot: it takes no seconds`},
		{"pod-1:8080", "cpu", -1, `a cpu profile lasts 1 to 300 seconds, not -1`},
		{"pod-1:8080", "cpu", 301, `a cpu profile lasts 1 to 300 seconds, not 301`},
		{"checkout/pod-2:8080", "memory", 0, `not served at ` + srv.URL + `/other/pprof/allocs: does the service import net/http/pprof, and on this port?`},
	} {
		data, _, err := m.Capture(t.Context(), tt.target, tt.typ, tt.seconds)
		if err == nil || err.Error() != tt.want || data != nil {
			t.Errorf("%s %s %d: error %v, want %s", tt.target, tt.typ, tt.seconds, err, tt.want)
		}
	}
	if n := testutil.ToFloat64(m.metrics.failures.WithLabelValues("checkout", "memory", reasonNotServed)); n != 1 {
		t.Errorf("%v failures were counted", n)
	}
	for _, j := range m.jobs {
		j.client.CloseIdleConnections()
	}
}

func TestFind(t *testing.T) {
	a := &target{Target: newTarget(t, "pprof-a", "http://a:1/debug/pprof", "job", "api", "instance", "x:1", "service_name", "cart"), arbiter: newArbiter()}
	b := &target{Target: newTarget(t, "pprof-b", "http://b:1/debug/pprof", "job", "web", "instance", "y:1", "service_name", "cart"), arbiter: newArbiter()}
	// The same process as a, in another job.
	c := &target{Target: newTarget(t, "pprof-c", "http://a:1/debug/pprof", "job", "api", "instance", "x:1", "service_name", "cart"), arbiter: a.arbiter}
	// One whose instance is called as a service of others.
	d := &target{Target: newTarget(t, "pprof-d", "http://d:1/debug/pprof", "job", "db", "instance", "cart", "service_name", "db"), arbiter: newArbiter()}
	for name, want := range map[string]*target{
		"cart/x:1": a, "x:1": a, "api": a, "pprof-a": a, "pprof-c": c,
		"cart/y:1": b, "web": b,
		"cart": d, "db": d,
	} {
		if got, err := find([]*target{a, b, c, d}, name); got != want {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	if got, err := find([]*target{a, c}, ""); got != a {
		t.Errorf("the only process: %v, %v", got, err)
	}
	// Two processes that call themselves the same are told apart by their addresses.
	e := &target{Target: newTarget(t, "pprof-a", "http://e:1/debug/pprof", "job", "api", "instance", "x:1", "service_name", "cart"), arbiter: newArbiter()}
	_, err := find([]*target{a, e}, "x:1")
	if want := "cart/x:1 (http://a:1/debug/pprof), cart/x:1 (http://e:1/debug/pprof)"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}
