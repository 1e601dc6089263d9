package profiler

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"outrider/telemetry"
)

func TestReloadLeavesUnchangedTargetsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.apply(t, Config{}, r.target)
		r.run(t.Context())
		time.Sleep(30 * time.Second)
		other := newTarget(t, "checkout", "http://127.0.0.2:8080/debug/pprof")
		for range 20 { // each in the middle of something
			time.Sleep(3 * time.Second)
			again := copyOf(r.target) // discovery makes new values of the same key
			r.apply(t, Config{}, again, other)
			time.Sleep(3 * time.Second)
			r.apply(t, Config{}, again)
		}
		// The captures of our target went on undisturbed: CPU profiles ran their 10 s, and
		// the deltas go on.
		if n := len(r.of("cpu")); n < 2 {
			t.Errorf("%d CPU profiles in two minutes of reloads", n)
		}
		if n := testutil.CollectAndCount(r.metrics.failures); n != 0 {
			t.Errorf("%d kinds of failures", n)
		}
		if n := len(r.of("memory")); n < 2 {
			t.Errorf("%d memory profiles", n)
		}
		for i, p := range r.of("memory") {
			if n := len(mustParse(t, p.Data).SampleType); p.Target.Instance() == r.target.Instance() && (n == 4) != (i > 0) {
				t.Errorf("memory profile %d has %d sample types: the baseline was lost", i, n)
			}
		}
	})
}

func TestReloadWithANewPeriodKeepsBaselines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.apply(t, Config{}, r.target)
		r.run(t.Context())
		time.Sleep(time.Minute)
		r.service.set(func(s *service) { s.values["mutex"] = stacks{"main;lock": {5, 5e6}} })
		r.apply(t, Config{Profiles: map[string]TypeConfig{"mutex": {Period: model.Duration(10 * time.Second)}}}, r.target)
		time.Sleep(10 * time.Second)
		ps := r.of("mutex")
		if len(ps) != 1 || readStacks(mustParse(t, ps[0].Data))["main;lock"][0] != 2 {
			t.Errorf("sent %d mutex profiles, want one of the two contentions since the baseline", len(ps))
		}
	})
}

// Turning a type off and on again begins anew: what was sent before is not sent twice.
func TestTypeTurnedOffAndOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		born := time.Now().Add(time.Second)
		r.born.Store(&born)
		r.apply(t, Config{}, r.target)
		r.run(t.Context())
		time.Sleep(time.Minute)
		off := false
		r.apply(t, Config{Profiles: map[string]TypeConfig{"mutex": {Enabled: &off}}}, r.target)
		time.Sleep(time.Minute)
		r.apply(t, Config{}, r.target)
		r.service.set(func(s *service) { s.values["mutex"] = stacks{"main;lock": {4, 4e6}} })
		time.Sleep(time.Minute)
		sum := int64(0)
		for _, p := range r.of("mutex") {
			sum += readStacks(mustParse(t, p.Data))["main;lock"][0]
		}
		if sum != 3 {
			t.Errorf("contentions sent: %d, want the 3 before it was turned off", sum)
		}
	})
}

// A capture that is under way still has the CPU profiler after a reload.
func TestArbiterOutlivesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.apply(t, Config{}, r.target)
		errs := make(chan error)
		capture := func() {
			_, _, err := r.Capture(t.Context(), "", "cpu", 60)
			errs <- err
		}
		go capture()
		time.Sleep(time.Second)
		r.apply(t, Config{CaptureTimeout: model.Duration(20 * time.Second)}, r.target)
		go capture()
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		r.service.set(func(s *service) {
			if s.most != 1 {
				t.Errorf("%d CPU profiles at once", s.most)
			}
		})
	})
}

// A service that starts after the sidecar is watched from its start, whatever is reloaded
// before its first capture.
func TestWatchOutlivesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.apply(t, Config{}, r.target)
		born := time.Now().Add(time.Second)
		r.born.Store(&born)
		time.Sleep(2 * time.Second)
		r.apply(t, Config{CaptureTimeout: model.Duration(20 * time.Second)}, r.target)
		r.run(t.Context())
		time.Sleep(time.Minute)
		if n := len(r.of("mutex")); n != 1 {
			t.Errorf("%d mutex profiles, want the first whole", n)
		}
	})
}

func TestTargetThatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.apply(t, Config{}, r.target)
		r.run(t.Context())
		time.Sleep(time.Minute)
		if err := r.Apply(nil, nil); err != nil {
			t.Fatal(err)
		}
		n := len(r.service.times("goroutine"))
		time.Sleep(5 * time.Minute)
		if m := len(r.service.times("goroutine")); m != n {
			t.Errorf("%d captures of a target that is gone", m-n)
		}
		if n := len(r.Status()); n != 0 {
			t.Errorf("%d entries of status", n)
		}
		if n := testutil.CollectAndCount(r.metrics.captures); n != 0 {
			t.Errorf("%d series of a job that is gone", n)
		}
	})
}

func TestApplyRefusesWhole(t *testing.T) {
	r := newRig(t)
	r.apply(t, Config{}, r.target)
	for name, jobs := range map[string][]Job{
		`profile job b: profiles: unknown profile type "heap": there are block, cpu, goroutine, memory, mutex`: {
			{Name: "a"}, {Name: "b", Config: Config{Profiles: map[string]TypeConfig{"heap": {}}}},
		},
		`profile job a: there are two of that name`: {{Name: "a"}, {Name: "a"}},
		`profile job a: unable to read CA cert`: {
			{Name: "a", Config: Config{HTTPClient: promconfig.HTTPClientConfig{TLSConfig: promconfig.TLSConfig{CAFile: "/nonexistent"}}}},
		},
	} {
		if err := r.Apply(jobs, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want %s", err, name)
		}
		if n := len(r.Status()); n != len(types) {
			t.Errorf("status has %d entries after a refused change", n)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	d := func(s string) model.Duration {
		d, err := model.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for want, c := range map[string]Config{
		"": {Profiles: map[string]TypeConfig{"cpu": {Period: d("2s"), Duration: d("1s")}, "memory": {Period: d("1s")}}},
		"profiles: cpu: duration: 1m0s is not shorter than the period, 1m0s": {Profiles: map[string]TypeConfig{"cpu": {Duration: d("1m")}}},
		"profiles: cpu: duration: 10s is not shorter than the period, 5s":    {Profiles: map[string]TypeConfig{"cpu": {Period: d("5s")}}},
		"profiles: cpu: duration: 1.5s is not a whole number of seconds":     {Profiles: map[string]TypeConfig{"cpu": {Duration: d("1s500ms")}}},
		"profiles: cpu: duration: 10m0s is longer than 5m0s":                 {Profiles: map[string]TypeConfig{"cpu": {Period: d("1h"), Duration: d("10m")}}},
		"profiles: memory: duration: the type is a snapshot and takes none":  {Profiles: map[string]TypeConfig{"memory": {Duration: d("10s")}}},
		"profiles: mutex: period: 10ms is shorter than 1s":                   {Profiles: map[string]TypeConfig{"mutex": {Period: d("10ms")}}},
		"capture_timeout: must not be negative":                              {CaptureTimeout: -1},
	} {
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// The real handlers, a real CPU profile, in real time.
func TestRealPprof(t *testing.T) {
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	runtime.SetBlockProfileRate(1)
	defer runtime.SetBlockProfileRate(0)
	srv := pprofServer(t)

	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	var lock sync.Mutex
	for range 2 {
		workers.Go(func() {
			for ctx.Err() == nil {
				lock.Lock()
				contend()
				lock.Unlock()
			}
		})
	}

	got := make(chan *telemetry.Profile, 1000)
	m := New(Options{
		Logger: discard(), Registerer: prometheus.NewRegistry(),
		Sink: func(p *telemetry.Profile) error { got <- p; return nil },
	})
	second := model.Duration(time.Second)
	profiles := map[string]TypeConfig{"cpu": {Period: 2 * second, Duration: second}}
	for _, name := range []string{"memory", "goroutine", "mutex", "block"} {
		profiles[name] = TypeConfig{Period: second}
	}
	target := newTarget(t, "checkout", srv.URL+"/debug/pprof")
	err := m.Apply([]Job{{"checkout", Config{Profiles: profiles}}}, map[string][]*telemetry.Target{"checkout": {target}})
	if err != nil {
		t.Fatal(err)
	}
	var run sync.WaitGroup
	run.Go(func() { _ = m.Run(ctx) })

	missing := map[string]bool{"cpu": true, "memory": true, "goroutine": true, "mutex": true, "block": true}
	for len(missing) > 0 {
		p := <-got
		parsed := mustParse(t, p.Data)
		if s := lookup(p.Type); p.Series != s.series {
			t.Errorf("%s: series %q, want %q", p.Type, p.Series, s.series)
		}
		if p.Type == "memory" && len(parsed.SampleType) == 2 {
			continue // the baseline
		}
		if err := checkSampleTypes(parsed, lookup(p.Type).sampleTypes); err != nil {
			t.Errorf("%s: %v", p.Type, err)
		}
		if raw, err := gunzip(p.Data, maxRaw); err != nil || p.Size != len(raw) {
			t.Errorf("%s: size %d, %d compressed", p.Type, p.Size, len(p.Data))
		}
		if p.Type == "cpu" && (p.Duration < time.Second/2 || p.Duration > time.Minute) {
			t.Errorf("a CPU profile of %s", p.Duration)
		}
		if time.Since(time.Unix(0, parsed.TimeNanos)) > time.Hour {
			t.Errorf("%s: time %d", p.Type, parsed.TimeNanos)
		}
		delete(missing, p.Type)
	}
	cancel()
	workers.Wait()
	run.Wait()
}

// contend allocates and burns, so that every type has something to show.
func contend() {
	b := make([]byte, 64<<10)
	for i := range b {
		b[i] = byte(i * i)
	}
	runtime.Gosched()
}
