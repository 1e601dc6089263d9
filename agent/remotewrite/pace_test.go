package remotewrite

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

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
			r.append(scrapeOf(target(fmt.Sprint("a:", i)), roundSet(i, 1000), nowMs()))
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

// However full the queue is, what the receiver did not refuse is not given up for want of
// time to bisect.
func TestCrowdedQueueIsBisectedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := patient(t, Options{QuarantineDir: t.TempDir(), QueueBytes: 16_000}, poisoned("m3"))
		r.tuning.bisectBurst = 3
		r.tuning.bisectEvery = time.Hour
		r.apply(config("http://example.org/write", MessageV1))
		for i := range int64(8) { // about 1.5 kB each
			r.append(scrapeOf(target(fmt.Sprint("a:", i)), roundSet(i, 100), nowMs()))
		}
		defer r.start()()
		r.flushWithin(1000 * time.Hour)
		r.want("samples_delivered_total", 8*99)
		r.want("samples_quarantined_total", 8)
		r.books()
	})
}

// A backlog with a series that is always refused costs hardly more requests than one without,
// and no good sample.
func TestBacklogWithSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, rc := patient(t, Options{QuarantineDir: t.TempDir(), QueueBytes: 3 << 20}, poisoned("m7"))
		r.apply(config("http://example.org/write", MessageV1))
		set, tgt := seriesSet(501), target("a:1")
		const n = 300
		for i := range int64(n) {
			r.append(scrapeOf(tgt, set, nowMs()+i))
		}
		r.want("samples_dropped_total", 0)
		defer r.start()()
		start := time.Now()
		r.flushWithin(time.Hour)
		r.want("samples_delivered_total", n*500)
		r.want("samples_quarantined_total", n)
		if extra := rc.count() - n; extra > maxBisect {
			t.Errorf("%d more requests than records", extra)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("it took %v", d)
		}
		r.books()
	})
}

// A series that was mended flows again.
func TestSuspectIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		r, rc := patient(t, Options{QuarantineDir: t.TempDir()}, func(n int, req request) reply {
			if mended.Load() {
				return reply{status: 204}
			}
			return poisoned("m3", "m70")(n, req)
		})
		r.apply(config("http://example.org/write", MessageV2))
		defer r.start()()
		tgt, set := target("a:1"), seriesSet(100)
		scrapes := func(n int) {
			for range n {
				r.append(scrapeOf(tgt, set, nowMs()))
				r.flushWithin(time.Hour)
				time.Sleep(15 * time.Second)
			}
		}
		scrapes(40) // ten minutes
		before := rc.count()
		scrapes(240)
		// One request for each scrape; three to try both suspects again at most every five minutes.
		if n := rc.count() - before; n > 240+13*3 || n < 240+10*3 {
			t.Errorf("%d requests in an hour", n)
		}
		r.want("samples_delivered_total", 280*98)
		r.want("samples_quarantined_total", 280*2)
		mended.Store(true)
		scrapes(21)
		kept := r.sum("samples_quarantined_total")
		if kept > 280*2+20*2 {
			t.Errorf("%v samples in quarantine", kept)
		}
		scrapes(10)
		r.want("samples_quarantined_total", kept)
		if log := r.log.String(); !strings.Contains(log, "receiver takes series again") {
			t.Error("the log does not say so")
		}
		r.books()
	})
}

// A refusal that concerns one sample only does not cost the next ones.
func TestRefusedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		r, _ := patient(t, Options{QuarantineDir: t.TempDir()}, func(n int, req request) reply {
			a := poisoned("m3")(n, req)
			if !first {
				return reply{status: 204}
			}
			first = a.status == 204 || len(req.series) > 1
			return a
		})
		r.apply(config("http://example.org/write", MessageV1))
		defer r.start()()
		for range 10 {
			r.append(scrapeOf(target("a:1"), seriesSet(100), nowMs()))
			r.flushWithin(time.Hour)
			time.Sleep(time.Second)
		}
		r.want("samples_delivered_total", 999)
		r.want("samples_quarantined_total", 1)
	})
}

func TestSuspects(t *testing.T) {
	var x suspects
	now := time.Unix(1000, 0)
	one := func(i int) []series { return []series{{labels: []label{{"n", fmt.Sprint(i)}}}} }
	retried := func(i int, now time.Time) bool {
		_, retry, _, _ := x.sift(one(i), now)
		return len(retry) == 1
	}
	for _, wait := range []time.Duration{0, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
		x.add(&one(0)[0], errors.New("no"), now)
		if wait > 0 && retried(0, now.Add(wait-1)) || !retried(0, now.Add(wait)) {
			t.Errorf("not tried again after %v", wait)
		}
		now = now.Add(wait)
	}
	for i := range 2 * maxSuspects {
		x.add(&one(i)[0], errors.New("no"), now)
	}
	if len(x.known) != maxSuspects {
		t.Errorf("%d are remembered", len(x.known))
	}
	x.clear(one(5))
	if good, _, _, _ := x.sift(one(5), now); len(good) != 1 {
		t.Error("an accepted series stays a suspect")
	}
	if !x.forget(now.Add(suspectFor)) || x.forget(now.Add(suspectFor+1)) {
		t.Errorf("forgotten too early or too late: %d are left", len(x.known))
	}
}

// roundSet makes n series that other rounds do not have.
func roundSet(round int64, n int) *telemetry.SeriesSet {
	lsets := make([]labels.Labels, n)
	for j := range lsets {
		lsets[j] = labels.FromStrings("__name__", fmt.Sprintf("m%d", j), "round", fmt.Sprint(round))
	}
	return telemetry.NewSeriesSet(lsets, make([]*telemetry.Metadata, n))
}
