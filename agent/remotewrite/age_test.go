package remotewrite

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

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
