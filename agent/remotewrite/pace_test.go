package remotewrite

import (
	"fmt"
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
