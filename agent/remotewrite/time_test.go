package remotewrite

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// In these tests time is that of a synctest bubble, and the senders are as patient as they
// are in earnest.

// patient makes a rig for a bubble, with a receiver that is called without a network.
func patient(t *testing.T, o Options, script func(int, request) reply) (*rig, *receiver) {
	r := newRig(t, o)
	r.tuning = defaultTuning()
	rc := &receiver{t: t, script: script}
	r.through(directly(rc))
	return r, rc
}

func nowMs() int64 { return time.Now().UnixMilli() }

// gaps records when requests come.
type gaps struct {
	mu sync.Mutex
	at []time.Time
}

func (g *gaps) note() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = append(g.at, time.Now())
}

// all returns the times since the last call of forget.
func (g *gaps) all() []time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.at)
}

func (g *gaps) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = nil
}

// most is the largest number of requests in any window of that length.
func (g *gaps) most(window time.Duration) int {
	most, at := 0, g.all()
	for i, from := range at {
		n := 0
		for _, t := range at[i:] {
			if t.Sub(from) < window {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func TestMisconfiguredIsAskedTwiceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gaps
		var token atomic.Value
		token.Store("old")
		r, rc := patient(t, Options{}, func(_ int, req request) reply {
			g.note()
			if req.header.Get("Token") != token.Load() {
				return reply{status: 401, body: "who are you?"}
			}
			return reply{status: 204}
		})
		cfg := config("http://user:secret@example.org/write", MessageV1)
		cfg.Headers = map[string]string{"Token": "old"}
		r.apply(cfg)
		stop := r.start()
		defer stop()
		tgt, set := target("a:1"), seriesSet(3)
		scrape := func() { r.append(scrapeOf(tgt, set, nowMs())) }

		scrape()
		synctest.Wait()
		r.want("misconfigured", 0)
		token.Store("new")
		g.forget()
		for range 40 {
			time.Sleep(15 * time.Second)
			scrape()
		}
		tries := len(g.all())
		if most := g.most(time.Minute); most > 2 || tries < 15 {
			t.Errorf("%d requests in ten minutes, up to %d in one", tries, most)
		}
		r.want("misconfigured", 1, "reason", "401 Unauthorized")
		r.want("retries_total", float64(tries), "reason", "401")
		st := r.Status()[0]
		if !st.Misconfigured || st.LastError != "server answered 401 Unauthorized: who are you?" || st.Queued != 40 || time.Since(st.Oldest) < 9*time.Minute {
			t.Errorf("status %+v", st)
		}
		if strings.Contains(r.log.String(), "secret") || strings.Contains(st.URL, "secret") {
			t.Error("a password is shown")
		}

		// A mended token delivers the backlog at once.
		fixed := *cfg
		fixed.Headers = map[string]string{"Token": "new"}
		r.apply(&fixed)
		synctest.Wait()
		if got := len(rc.got()); got != 3*41 {
			t.Errorf("%d samples arrived, want %d", got, 3*41)
		}
		r.want("misconfigured", 0)
		if st := r.Status()[0]; st.Misconfigured || st.LastError != "" || st.Queued != 0 {
			t.Errorf("status %+v", st)
		}
		r.books()
	})
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gaps
		var down atomic.Bool
		down.Store(true)
		r, _ := patient(t, Options{}, func(int, request) reply {
			g.note()
			if down.Load() {
				return reply{status: 503}
			}
			return reply{status: 204}
		})
		r.apply(config("http://example.org/write", MessageV1))
		r.append(scrapeOf(target("a:1"), seriesSet(1), nowMs()))
		defer r.start()()
		time.Sleep(10 * time.Minute)
		at := g.all()
		for i := 1; i < len(at); i++ {
			full := 30 * time.Second
			if i < 7 {
				full = 500 * time.Millisecond << (i - 1)
			}
			if d := at[i].Sub(at[i-1]); d < full/2 || d > full {
				t.Errorf("wait %d is %v, want between %v and %v", i, d, full/2, full)
			}
		}
		if n := len(at); n < 20 || n > 50 {
			t.Errorf("%d requests in ten minutes", n)
		}
		// Who flushes does not wait for the next try.
		down.Store(false)
		start := time.Now()
		r.flush()
		if d := time.Since(start); d > time.Second {
			t.Errorf("the flush took %v", d)
		}
		r.books()
	})
}

func TestFlushDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := patient(t, Options{}, func(int, request) reply { return reply{status: 503} })
		r.apply(config("http://example.org/write", MessageV1))
		r.append(scrapeOf(target("a:1"), seriesSet(7), nowMs()), scrapeOf(target("a:1"), seriesSet(7), nowMs()+1))
		defer r.start()()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := r.Flush(ctx)
		const want = "flush remote write: context deadline exceeded: main has 2 requests with 14 samples left"
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if n := r.sum("requests_total"); n < 10 || n > 20 {
			t.Errorf("%v requests during a flush of 10 s", n)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gaps
		r, _ := patient(t, Options{}, func(n int, _ request) reply {
			g.note()
			switch n {
			case 0:
				return reply{status: 429, header: map[string]string{"Retry-After": "40"}}
			case 1:
				return reply{status: 503, header: map[string]string{"Retry-After": time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)}}
			}
			return reply{status: 204}
		})
		r.apply(config("http://example.org/write", MessageV1))
		r.append(scrapeOf(target("a:1"), seriesSet(1), nowMs()))
		defer r.start()()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := r.Flush(ctx); err == nil || len(g.all()) != 1 {
			t.Errorf("a flush does not heed Retry-After: %v, %d requests", err, len(g.all()))
		}
		time.Sleep(10 * time.Minute)
		at := g.all()
		if len(at) != 3 {
			t.Fatalf("%d requests", len(at))
		}
		for i, want := range []time.Duration{40 * time.Second, 90 * time.Second} {
			if d := at[i+1].Sub(at[i]); d < want-time.Second || d > want+time.Second {
				t.Errorf("wait %d is %v, want %v", i, d, want)
			}
		}
	})
}

func TestAppendNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu     sync.Mutex
			bodies = make(map[string]int)
			hang   atomic.Bool
		)
		hang.Store(true)
		r, _ := patient(t, Options{}, nil)
		rc := &receiver{t: t}
		answers := directly(rc)
		r.through(roundTripper(func(req *http.Request) (*http.Response, error) {
			if !hang.Load() {
				return answers.RoundTrip(req)
			}
			b, _ := io.ReadAll(req.Body)
			mu.Lock()
			bodies[string(b)]++
			mu.Unlock()
			<-req.Context().Done()
			return nil, req.Context().Err()
		}))
		r.apply(config("http://example.org/write", MessageV2))
		defer r.start()()
		tgt, set := target("a:1"), seriesSet(50)
		for range 100 {
			before := time.Now()
			r.append(scrapeOf(tgt, set, nowMs()))
			if d := time.Since(before); d != 0 {
				t.Fatalf("Append waited for %v", d)
			}
			time.Sleep(time.Second)
		}
		if n := r.sum("retries_total", "reason", "timeout"); n < 5 {
			t.Errorf("%v timeouts in 100 s", n)
		}
		mu.Lock()
		if len(bodies) != 1 {
			t.Error("after a timeout something else was sent")
		}
		mu.Unlock()
		hang.Store(false)
		r.flush()
		if got := rc.got(); len(got) != 100*50 {
			t.Errorf("%d samples arrived", len(got))
		}
		r.books()
	})
}

func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		r, rc := patient(t, Options{QueueBytes: 20_000}, func(int, request) reply {
			if down.Load() {
				return reply{status: 503}
			}
			return reply{status: 204}
		})
		r.apply(config("http://example.org/write", MessageV1))
		defer r.start()()
		tgt, set := target("a:1"), seriesSet(100)
		var last int64
		for range 60 {
			last = nowMs()
			r.append(scrapeOf(tgt, set, last))
			time.Sleep(15 * time.Second)
			if s := r.Status()[0]; s.QueuedBytes > 20_000 {
				t.Fatalf("the queue holds %d bytes", s.QueuedBytes)
			}
		}
		dropped := r.sum("samples_dropped_total", "reason", "queue_full")
		if dropped < 1000 || dropped > 5900 {
			t.Errorf("%v samples were dropped", dropped)
		}
		r.want("queue_capacity_bytes", 20_000)
		r.want("queue_samples", 6000-dropped)
		r.books()
		down.Store(false)
		r.flush()
		got := rc.got()
		if float64(len(got)) != 6000-dropped {
			t.Errorf("%d samples arrived, want %v", len(got), 6000-dropped)
		}
		if got[fmt.Sprintf(`{__name__="m0", instance="pod-1:8080", job="checkout"}@%d`, last)] != 1 {
			t.Error("it is not the newest that is kept")
		}
		r.books()
	})
}

// aged refuses what is older than it takes, and stores nothing of such a request.
func aged(limit time.Duration, status int) func(int, request) reply {
	return func(_ int, req request) reply {
		for _, s := range req.series {
			for _, f := range s.Floats {
				if time.Since(time.UnixMilli(f.TimeMs)) > limit {
					return reply{status: status, body: "too old sample"}
				}
			}
		}
		return reply{status: 204}
	}
}

func TestTooOldIsSplitByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, m := range []string{MessageV1, MessageV2} {
			r, rc := patient(t, Options{QuarantineDir: t.TempDir()}, aged(time.Hour, 400))
			r.apply(config("http://example.org/write", m))
			stop := r.start()
			tgt, set := target("a:1"), seriesSet(100)
			scrape := func() {
				s := scrapeOf(tgt, set, nowMs())
				for i := range 30 { // timestamps of their own, 10, 20, ... 300 minutes old
					s.Rest = append(s.Rest, telemetry.Sample{
						Labels: labels.FromStrings("__name__", fmt.Sprint("own", i)),
						TimeMs: s.TimeMs - int64(i+1)*600_000 + 1,
					})
				}
				r.append(s)
				synctest.Wait()
			}
			scrape()
			r.want("samples_delivered_total", 106)
			r.want("samples_dropped_total", 24, "reason", "too_old")
			if n := rc.count(); n > 7 {
				t.Errorf("%s: %d requests", m, n)
			}
			// It is remembered how old is too old, so the next one goes through.
			time.Sleep(time.Minute)
			before := rc.count()
			scrape()
			r.want("samples_delivered_total", 212)
			r.want("samples_dropped_total", 48, "reason", "too_old")
			if n := rc.count() - before; n != 1 {
				t.Errorf("%s: %d requests for the second scrape", m, n)
			}
			// But not for ever.
			time.Sleep(ageHolds)
			before = rc.count()
			scrape()
			if n := rc.count() - before; n < 2 {
				t.Errorf("%s: %d requests when the age is forgotten", m, n)
			}
			r.want("samples_quarantined_total", 0)
			for k, n := range rc.got() {
				if n != 1 {
					t.Errorf("%s was delivered %d times", k, n)
				}
			}
			r.books()
			stop()
		}
	})
}

func TestOldBacklog(t *testing.T) {
	// Three hours of scrapes for a receiver that takes one hour and says 500 to older ones.
	synctest.Test(t, func(t *testing.T) {
		takes := aged(time.Hour, 500)
		var down atomic.Bool
		down.Store(true)
		r, rc := patient(t, Options{}, func(n int, req request) reply {
			if down.Load() {
				return reply{status: 503}
			}
			return takes(n, req)
		})
		r.apply(config("http://example.org/write", MessageV1))
		defer r.start()()
		tgt, set := target("a:1"), seriesSet(10)
		for range 3 * 60 {
			r.append(scrapeOf(tgt, set, nowMs()))
			time.Sleep(time.Minute)
		}
		down.Store(false)
		start := time.Now()
		r.flush()
		if d := time.Since(start); d > time.Minute {
			t.Errorf("it took %v", d)
		}
		if n := len(rc.got()); n < 590 || n > 610 {
			t.Errorf("%d samples arrived, want those of the last hour", n)
		}
		r.want("samples_dropped_total", 1800-float64(len(rc.got())), "reason", "too_old")
		r.books()
	})
}

func TestBisectingIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gaps
		r, rc := patient(t, Options{QuarantineDir: t.TempDir()}, func(n int, req request) reply {
			g.note()
			return poisoned("m3")(n, req)
		})
		r.apply(config("http://example.org/write", MessageV1))
		// Each scrape has other series, so that nothing is learnt from the one before.
		for i := range int64(40) {
			lsets := make([]labels.Labels, 1000)
			for j := range lsets {
				lsets[j] = labels.FromStrings("__name__", fmt.Sprintf("m%d", j), "round", fmt.Sprint(i))
			}
			r.append(scrapeOf(target(fmt.Sprint("a:", i)), telemetry.NewSeriesSet(lsets, make([]*telemetry.Metadata, 1000)), nowMs()))
		}
		defer r.start()()
		r.flushWithin(time.Hour)
		r.want("samples_quarantined_total", 40)
		r.want("samples_delivered_total", 40*999)
		r.want("bisections_total", 40)
		if most := g.most(10 * time.Second); most > 48+50+40 {
			t.Errorf("%d requests in ten seconds", most)
		}
		if rc.count() < 400 {
			t.Error("the test is too weak")
		}
		r.books()
	})
}

func TestPace(t *testing.T) {
	p := pace{every: time.Second, burst: 3}
	now := time.Unix(1000, 0)
	for i := range 3 {
		if d := p.take(now); d != 0 {
			t.Errorf("token %d: wait %v", i, d)
		}
	}
	if d := p.take(now.Add(400 * time.Millisecond)); d < 599*time.Millisecond || d > 601*time.Millisecond {
		t.Errorf("wait %v, want 600 ms", d)
	}
	if d := p.take(now.Add(time.Second)); d != 0 {
		t.Errorf("wait %v after a second", d)
	}
	now = now.Add(time.Hour)
	n := 0
	for p.take(now) == 0 {
		n++
	}
	if n != 3 {
		t.Errorf("%d tokens after an hour, want the burst", n)
	}
}

func TestCrowdedQueueDoesNotWaitForBisection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := patient(t, Options{QuarantineDir: t.TempDir(), QueueBytes: 12_000}, poisoned("m3"))
		r.tuning.bisectBurst = 3
		r.tuning.bisectEvery = time.Hour
		r.apply(config("http://example.org/write", MessageV1))
		for i := range int64(8) { // about 1 kB each
			r.append(scrapeOf(target(fmt.Sprint("a:", i)), seriesSet(100), nowMs()))
		}
		start := time.Now()
		defer r.start()()
		synctest.Wait()
		if r.sum("samples_quarantined_total") == 0 {
			t.Error("it waits though the queue is filling")
		}
		if time.Since(start) != 0 {
			t.Error("time has passed")
		}
		r.flushWithin(100 * time.Hour) // the rest is bisected one request an hour
		if r.sum("samples_delivered_total") < 300 {
			t.Errorf("%v samples delivered", r.sum("samples_delivered_total"))
		}
		r.books()
	})
}

func TestHistoryForgets(t *testing.T) {
	var h history
	name := func(i int) labels.Labels { return labels.FromStrings("__name__", fmt.Sprint("m", i)) }
	for i := range maxTracked + 10 {
		h.track(name(i), t0).timeMs = 5
	}
	if len(h.series) != maxTracked {
		t.Errorf("%d series are remembered", len(h.series))
	}
	if h.get(name(0)) == nil || h.get(name(maxTracked)) != nil {
		t.Error("the first are kept when there is no room")
	}
	h.track(name(0), t0+forgetAfter+1)
	h.track(name(maxTracked), t0+forgetAfter+1)
	if len(h.series) != 2 || h.get(name(0)).timeMs != 5 {
		t.Errorf("%d series are remembered, want the two that are still seen", len(h.series))
	}
}

func TestTargetsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		te := newTestEncoder(t, v1, labels.EmptyLabels())
		gone, stays := target("gone:1"), target("stays:1")
		te.records(scrapeOf(gone, seriesSet(1), nowMs()))
		for range 70 {
			te.records(scrapeOf(stays, seriesSet(1), nowMs()))
			time.Sleep(time.Minute)
		}
		if _, ok := te.enc.targets[gone]; ok || len(te.enc.targets) != 1 {
			t.Errorf("%d targets are remembered", len(te.enc.targets))
		}
	})
}
