package remotewrite

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/spool"
	"outrider/telemetry"
)

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

func TestYoungIsNotRememberedAsTooOld(t *testing.T) {
	// A receiver whose newest sample is from the future calls everything too old, for a while.
	synctest.Test(t, func(t *testing.T) {
		r, rc := patient(t, Options{}, play(reply{status: 500, body: "too old sample"}))
		r.apply(config("http://example.org/write", MessageV1))
		defer r.start()()
		tgt, set := target("a:1"), seriesSet(3)
		for range 3 {
			r.append(scrapeOf(tgt, set, nowMs()))
			synctest.Wait()
			time.Sleep(time.Second)
		}
		r.want("samples_dropped_total", 3, "reason", "too_old")
		r.want("samples_delivered_total", 6)
		if rc.count() != 3 {
			t.Errorf("%d requests: not every scrape was tried", rc.count())
		}
		r.books()
	})
}

// withOwn makes a scrape of four series, and eight with timestamps of their own: 1, 2, ...
// hours older.
func withOwn() *telemetry.Scrape {
	s := scrapeOf(target("a:1"), seriesSet(4), t0)
	for i := range int64(8) {
		s.Rest = append(s.Rest, telemetry.Sample{Labels: labels.FromStrings("__name__", fmt.Sprint("own", i)), TimeMs: t0 - (i+1)*3_600_000})
	}
	return s
}

func TestTooOldAmongOtherAnswers(t *testing.T) {
	old := reply{status: 400, body: "too old sample"}
	for name, replies := range map[string][]reply{
		"poison":    {old, {status: 422}, old, {status: 204}, {status: 422}, {status: 422}},
		"too large": {old, {status: 413}},
		"not 2.0":   {old, {status: 415}, old},
		"down":      {old, {status: 503}, old, {status: 503}},
	} {
		rc, url := served(t, play(replies...))
		r := newRig(t, Options{QuarantineDir: t.TempDir()})
		r.apply(config(url, MessageV2))
		r.append(withOwn())
		r.start()
		r.flush()
		r.books()
		got := r.sum("samples_delivered_total")
		if got < 4 || float64(len(rc.got())) != got {
			t.Errorf("%s: %v samples delivered, %d arrived", name, got, len(rc.got()))
		}
		for k, n := range rc.got() {
			if n != 1 {
				t.Errorf("%s: %s was delivered %d times", name, k, n)
			}
		}
	}
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
		delivered := r.sum("samples_delivered_total")
		if delivered < 590 || delivered > 610 {
			t.Errorf("%v samples arrived, want those of the last hour", delivered)
		}
		probes := 0 // of how old is too old
		for k := range rc.got() {
			if strings.Contains(k, probeName) {
				probes++
			}
		}
		if n := len(rc.got()) - probes; float64(n) != delivered || probes > 14 {
			t.Errorf("%d samples and %d probes arrived", n, probes)
		}
		r.want("samples_dropped_total", 1800-delivered, "reason", "too_old")
		r.books()
	})
}

// strictReceiver takes samples as a Prometheus without an out-of-order window does: none older than
// an hour before its newest, none before the last of its series, and all of a request or none.
// Each request takes a while.
func strictReceiver(status int, newest int64, takes time.Duration) func(int, request) reply {
	last := make(map[string]int64)
	return func(_ int, req request) reply {
		time.Sleep(takes)
		for _, s := range req.series {
			for _, f := range s.Floats {
				if f.TimeMs < newest-time.Hour.Milliseconds() {
					return reply{status: status, body: "out of bounds"}
				}
				if f.TimeMs <= last[s.Labels] {
					return reply{status: status, body: "out of order sample"}
				}
			}
		}
		for _, s := range req.series {
			for _, f := range s.Floats {
				last[s.Labels] = f.TimeMs
				newest = max(newest, f.TimeMs)
			}
		}
		return reply{status: 204}
	}
}

// A backlog of three hours at a scrape a second: what is scraped after the outage arrives within
// a minute, nothing that the receiver takes is given up, and nothing that it refuses is asked
// for one by one.
func TestLongBacklogAtReceiverThatRefusesOldSamples(t *testing.T) {
	for status, dir := range map[int]string{400: "", 500: t.TempDir()} {
		synctest.Test(t, func(t *testing.T) {
			var up atomic.Bool
			var strict func(int, request) reply
			r, rc := patient(t, Options{SpoolDir: dir}, func(n int, req request) reply {
				if !up.Load() {
					return reply{status: 503}
				}
				return strict(n, req)
			})
			cfg := config("http://example.org/write", MessageV1)
			cfg.Spool.Fsync = spool.Fsync(spool.SyncNever)
			r.apply(cfg)
			stop := r.start()
			set, tgt := seriesSet(20), target("a:1")
			const scrapes = 3 * 3600
			for range scrapes {
				r.append(scrapeOf(tgt, set, nowMs()))
				time.Sleep(time.Second)
			}
			r.want("queue_requests", scrapes)
			strict = strictReceiver(status, nowMs(), 20*time.Millisecond)
			up.Store(true)
			back := time.Now()
			before := rc.count()
			r.flushWithin(time.Hour) // what was tried while it was down first
			took := time.Since(back)
			requests := rc.count() - before
			delivered := r.sum("samples_delivered_total") / 20
			if delivered < 3595 || delivered > 3605 {
				t.Errorf("%v of the scrapes of the last hour were delivered", delivered)
			}
			if tooOld := r.sum("samples_dropped_total", "reason", "too_old") / 20; tooOld+delivered != scrapes {
				t.Errorf("%v too old + %v delivered", tooOld, delivered)
			}
			// What is not refused takes one request each; the rest costs a few.
			if extra := requests - int(delivered); extra > 40 {
				t.Errorf("%d requests more than were delivered", extra)
			}
			if took > time.Duration(delivered)*20*time.Millisecond+30*time.Second {
				t.Errorf("it took %v", took)
			}
			r.want("samples_quarantined_total", 0)
			r.books()
			stop()
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
