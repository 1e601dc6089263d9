package profiler

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"

	"outrider/telemetry"
)

func TestEachTypeIsTakenAtItsPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.apply(t, Config{Profiles: map[string]TypeConfig{"goroutine": {Period: model.Duration(20 * time.Second)}}}, r.target)
		r.run(t.Context())
		time.Sleep(10*time.Minute + 30*time.Second)

		for path, period := range map[string]time.Duration{
			"profile": time.Minute, "allocs": time.Minute, "mutex": time.Minute,
			"block": time.Minute, "goroutine": 20 * time.Second,
		} {
			times := r.service.times(path)
			if n := int(10*time.Minute/period) - 1; len(times) < n || len(times) > n+3 {
				t.Errorf("%s: taken %d times", path, len(times))
			}
			for i := 1; i < len(times); i++ {
				if d := times[i].Sub(times[i-1]); d != period {
					t.Errorf("%s: %s between two captures, want %s", path, d, period)
				}
			}
		}
		for _, typ := range []string{"cpu", "goroutine", "memory"} {
			if len(r.of(typ)) == 0 {
				t.Errorf("no %s profile was sent", typ)
			}
		}
		// No snapshot was taken while a CPU profile was recorded.
		for _, cpu := range r.service.times("profile") {
			for _, path := range []string{"allocs", "mutex", "block"} {
				for _, s := range r.service.times(path) {
					if d := s.Sub(cpu); d >= 0 && d <= 10*time.Second {
						t.Errorf("%s was taken %s after the start of a CPU profile", path, d)
					}
				}
			}
		}
	})
}

func TestTicksOfTargetsDiffer(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 7, 0, time.UTC)
	seen := map[time.Time]string{}
	for _, key := range []string{"a", "b", "c", "d"} {
		for rank := range 5 {
			tick := firstTick(now, time.Minute, spread(key, rank, 5, time.Minute))
			if d := tick.Sub(now); d <= 0 || d > time.Minute {
				t.Errorf("first tick after %s", d)
			}
			if other := seen[tick]; other != "" {
				t.Errorf("%s and %s tick together", key, other)
			}
			seen[tick] = key
			if later := firstTick(now.Add(17*time.Minute), time.Minute, spread(key, rank, 5, time.Minute)); later.Sub(tick)%time.Minute != 0 {
				t.Error("a restart moved the ticks")
			}
		}
	}
}

func TestSlowServiceCostsTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.service.override["goroutine"] = func(_ http.ResponseWriter, req *http.Request) {
			<-req.Context().Done()
		}
		only := map[string]TypeConfig{"goroutine": {Period: model.Duration(4 * time.Second)}}
		off := false
		for _, other := range []string{"cpu", "memory", "mutex", "block"} {
			only[other] = TypeConfig{Enabled: &off}
		}
		r.apply(t, Config{Profiles: only}, r.target)
		r.run(t.Context())
		time.Sleep(time.Minute + time.Second)
		// Each capture takes the 10 s of the time-out: ticks at 0, 12, 24, 36, 48.
		if n := len(r.service.times("goroutine")); n != 5 && n != 6 {
			t.Errorf("asked %d times", n)
		}
		if n := testutil.ToFloat64(r.metrics.skipped.WithLabelValues("checkout", "goroutine")); n < 8 || n > 10 {
			t.Errorf("%v ticks were counted as skipped, want two for each capture", n)
		}
		if n := testutil.ToFloat64(r.metrics.failures.WithLabelValues("checkout", "goroutine", reasonTimeout)); n < 4 {
			t.Errorf("%v time-outs were counted", n)
		}
		st := r.Status()
		if len(st) != 1 || !strings.Contains(st[0].LastError, "no whole answer within 10s") || !st[0].LastCapture.IsZero() {
			t.Errorf("status %+v", st)
		}
	})
}

// Whatever the service does to one type costs that capture and nothing else.
func TestOneFailureIsOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.service.override["allocs"] = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "999")
			_, _ = w.Write([]byte("half"))
			panic(http.ErrAbortHandler)
		}
		r.apply(t, Config{}, r.target)
		r.run(t.Context())
		time.Sleep(3 * time.Minute)
		if n := len(r.of("memory")); n != 0 {
			t.Errorf("%d memory profiles of a half body", n)
		}
		if n := len(r.of("goroutine")); n < 2 {
			t.Errorf("%d goroutine profiles", n)
		}
		r.service.set(func(s *service) { delete(s.override, "allocs") })
		time.Sleep(2 * time.Minute)
		if n := len(r.of("memory")); n == 0 {
			t.Error("no memory profile after the service recovered")
		}
		for _, s := range r.Status() {
			if s.LastError != "" || s.LastCapture.IsZero() {
				t.Errorf("%s: last error %q, last capture %s", s.Type, s.LastError, s.LastCapture)
			}
		}
	})
}

func TestDeltasAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		born := time.Now().Add(-time.Hour)
		r.born.Store(&born)
		r.apply(t, Config{}, r.target)
		r.run(t.Context())
		time.Sleep(time.Minute)
		r.service.set(func(s *service) { s.values["allocs"] = stacks{"main;alloc": {15, 1500, 6, 600}} })
		time.Sleep(time.Minute)
		reborn := time.Now()
		r.born.Store(&reborn)
		r.service.set(func(s *service) { s.values["allocs"] = stacks{"main;alloc": {90, 9000, 7, 700}} })
		time.Sleep(time.Minute)

		var got []stacks
		for _, p := range r.of("memory") {
			got = append(got, readStacks(mustParse(t, p.Data)))
		}
		want := []stacks{
			{"main;alloc": {5, 500}}, // in use only: what came before is not known
			{"main;alloc": {5, 500, 6, 600}},
			{"main;alloc": {90, 9000, 7, 700}}, // larger than before, and yet whole
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		if ps := r.of("memory"); len(ps) == 3 {
			if d := ps[1].Duration; d != time.Minute {
				t.Errorf("the delta covers %s", d)
			}
			if d := mustParse(t, ps[1].Data).DurationNanos; d != int64(time.Minute) {
				t.Errorf("the profile says that it covers %d ns", d)
			}
		}
		// The mutex profile did not change: one baseline, then nothing, then a new life.
		if n := len(r.of("mutex")); n != 1 {
			t.Errorf("%d mutex profiles", n)
		}
		for reason, want := range map[string]float64{withheldBaseline: 1, withheldEmpty: 1} {
			if n := testutil.ToFloat64(r.metrics.withheld.WithLabelValues("checkout", "mutex", reason)); n != want {
				t.Errorf("%v mutex profiles withheld for %s, want %v", n, reason, want)
			}
		}
	})
}

// A profile that the sink did not take is part of the next one.
func TestBaselineWaitsForTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var refuse atomic.Bool
		sink := r.opts.Sink
		r.opts.Sink = func(p *telemetry.Profile) error {
			if refuse.Load() {
				return errors.New("no room")
			}
			return sink(p)
		}
		r.apply(t, Config{}, r.target)
		r.run(t.Context())
		time.Sleep(time.Minute)
		refuse.Store(true)
		r.service.set(func(s *service) { s.values["mutex"] = stacks{"main;lock": {10, 3e6}} })
		time.Sleep(time.Minute)
		refuse.Store(false)
		r.service.set(func(s *service) { s.values["mutex"] = stacks{"main;lock": {12, 3e6}} })
		time.Sleep(time.Minute)
		ps := r.of("mutex")
		if len(ps) != 1 {
			t.Fatalf("%d mutex profiles", len(ps))
		}
		if got := readStacks(mustParse(t, ps[0].Data))["main;lock"]; got[0] != 9 {
			t.Errorf("contentions %d, want all 9 since the baseline", got[0])
		}
		if n := testutil.ToFloat64(r.metrics.failures.WithLabelValues("checkout", "mutex", reasonSink)); n != 1 {
			t.Errorf("%v failures of the sink were counted", n)
		}
	})
}

func TestTimeIsSetWhereTheServiceSetsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for path, typ := range map[string]string{"goroutine": "goroutine", "profile": "cpu"} {
			r.service.override[path] = func(w http.ResponseWriter, req *http.Request) {
				if path == "profile" {
					time.Sleep(10 * time.Second)
				}
				p := makeProfile(lookup(typ).sampleTypes, stacks{"main": make([]int64, len(lookup(typ).sampleTypes))})
				p.Sample[0].Value[0] = 1
				p.TimeNanos = 0
				_ = p.Write(w)
			}
		}
		r.apply(t, Config{}, r.target)
		r.run(t.Context())
		time.Sleep(2 * time.Minute)
		for typ, before := range map[string]time.Duration{"goroutine": 0, "cpu": 10 * time.Second} {
			ps := r.of(typ)
			if len(ps) == 0 {
				t.Fatalf("no %s profile", typ)
			}
			if got, want := mustParse(t, ps[0].Data).TimeNanos, ps[0].Time.Add(-before).UnixNano(); got != want {
				t.Errorf("%s: time %d, want %d", typ, got, want)
			}
		}
	})
}

func TestForeignOwnerOfTheProfiler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.service.foreign = true
		r.apply(t, Config{}, r.target)
		r.run(t.Context())
		time.Sleep(time.Minute + 30*time.Second)
		if n := len(r.service.times("profile")); n < busyTries || n > 2*busyTries {
			t.Errorf("asked %d times", n)
		}
		for _, s := range r.Status() {
			if s.Type == "cpu" && s.LastError != ErrBusy.Error() {
				t.Errorf("last error %q", s.LastError)
			}
		}
		_, _, err := r.Capture(t.Context(), "", "cpu", 5)
		if !errors.Is(err, ErrBusy) {
			t.Errorf("capture: %v", err)
		}
		// It lets go for a moment: the next try gets it.
		go func() {
			time.Sleep(500 * time.Millisecond)
			r.service.set(func(s *service) { s.foreign = false })
		}()
		if _, _, err := r.Capture(t.Context(), "", "cpu", 5); err != nil {
			t.Errorf("capture once it is free: %v", err)
		}
	})
}

// The schedule and any number of people queue for the one CPU profiler.
func TestNeverTwoCPUProfilesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		second := copyOf(r.target) // another job, the same process
		second.Job = "checkout-again"
		jobs := []Job{{Name: "checkout"}, {Name: "checkout-again"}}
		targets := map[string][]*telemetry.Target{"checkout": {r.target}, "checkout-again": {second}}
		if err := r.Apply(jobs, targets); err != nil {
			t.Fatal(err)
		}
		r.run(t.Context())
		errs := make(chan error)
		const people = 6
		for i := range people {
			go func() {
				time.Sleep(time.Duration(i) * 7 * time.Second)
				_, _, err := r.Capture(t.Context(), "checkout", "cpu", 3+i)
				errs <- err
			}()
		}
		for range people {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		time.Sleep(3 * time.Minute)
		r.service.set(func(s *service) {
			if s.most != 1 {
				t.Errorf("%d CPU profiles at once", s.most)
			}
		})
		if n := len(r.service.times("profile")); n < people+4 {
			t.Errorf("%d CPU profiles in all", n)
		}
		if n := testutil.CollectAndCount(r.metrics.failures); n != 0 {
			t.Errorf("%d kinds of failures", n)
		}
	})
}

func TestWaitingForTheProfilerCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.apply(t, Config{}, r.target)
		first := make(chan error)
		go func() {
			_, _, err := r.Capture(t.Context(), "", "cpu", 60)
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, _, err := r.Capture(ctx, "", "cpu", 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if err := <-first; err != nil {
			t.Errorf("the capture that ran: %v", err)
		}
	})
}
