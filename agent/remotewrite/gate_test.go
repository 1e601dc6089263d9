package remotewrite

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestMisconfiguredIsAskedTwiceAMinuteByAllLanes wants the pace of one lane from five, and all
// of them to go on as soon as one was let in.
func TestMisconfiguredIsAskedTwiceAMinuteByAllLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			g       gaps
			refuses atomic.Bool
		)
		r, rc := patient(t, Options{}, func(int, request) reply {
			if refuses.Load() {
				g.note()
				return reply{status: 401, body: "who are you?"}
			}
			return reply{status: 204}
		})
		cfg := config("http://example.org/write", MessageV1)
		cfg.Shards = 5
		r.apply(cfg)
		stop := r.start()
		defer stop()
		set := seriesSet(3)
		scrape := func() {
			for i := range 20 { // not at one moment: what is in flight by then is refused as well
				r.append(scrapeOf(target(fmt.Sprintf("a:%d", i)), set, nowMs()))
				time.Sleep(10 * time.Millisecond)
			}
		}

		scrape()
		refuses.Store(true)
		for range 40 {
			time.Sleep(15*time.Second - 200*time.Millisecond)
			scrape()
		}
		if most, tries := g.most(time.Minute), len(g.all()); most > 2 || tries < 15 {
			t.Errorf("%d requests in ten minutes, up to %d in one", tries, most)
		}
		refuses.Store(false)
		time.Sleep(34 * time.Second) // the longest wait between two tries
		synctest.Wait()
		if got := len(rc.got()); got != 41*20*3 || r.sum("queue_samples") != 0 {
			t.Errorf("%d samples arrived, %v wait", got, r.sum("queue_samples"))
		}
		r.want("misconfigured", 0)
	})
}
