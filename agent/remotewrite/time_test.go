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
			if s := r.Status()[0]; s.QueuedBytes > 20_000+2000 { // and what is being sent
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

// A size that was refused is tried again some time, for the limit may have been raised.
func TestRequestsBecomeLargerAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limit, largest atomic.Int64
		limit.Store(300)
		r, _ := patient(t, Options{}, func(_ int, req request) reply {
			n := int64(req.samples())
			if n > limit.Load() {
				return reply{status: 413}
			}
			largest.Store(max(n, largest.Load()))
			return reply{status: 204}
		})
		r.apply(config("http://example.org/write", MessageV1))
		defer r.start()()
		tgt, set := target("a:1"), seriesSet(2000)
		hour := func() {
			for range 60 {
				r.append(scrapeOf(tgt, set, nowMs()))
				r.flushWithin(time.Hour)
				time.Sleep(time.Minute)
			}
		}
		hour()
		// Once too large to begin with, and then again each ten minutes.
		if n := r.sum("requests_total", "code", "413"); n > 40 {
			t.Errorf("%v requests were too large", n)
		}
		if n := largest.Load(); n != 250 {
			t.Errorf("%d samples in the largest request", n)
		}
		limit.Store(5000)
		hour()
		if n := largest.Load(); n != 2000 {
			t.Errorf("%d samples in the largest request after the limit was raised", n)
		}
		r.want("samples_delivered_total", 120*2000)
		r.books()
	})
}
