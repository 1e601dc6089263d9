package remotewrite

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outrider/agent/spool"
)

// A kill while a joined request is under way repeats that request and nothing else.
func TestKilledInAJoinedRequest(t *testing.T) {
	for at := range 6 {
		dir, copied := t.TempDir(), t.TempDir()
		under, release := make(chan struct{}), make(chan struct{})
		rc, url := served(t, func(n int, _ request) reply {
			if n == at {
				close(under)
				<-release
			}
			return reply{status: 204}
		})
		cfg := config(url, MessageV1)
		r := newRig(t, Options{SpoolDir: dir})
		r.apply(cfg)
		for i := range int64(63) {
			r.append(scrapeOf(target(fmt.Sprint("t", i)), seriesSet(10), t0+i*1000))
		}
		stop := r.start()
		<-under
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil { // what a kill leaves
			t.Fatal(err)
		}
		stop()
		r.books()
		r.closed()
		close(release) // it is taken, and nobody is told
		waitFor(t, func() bool { rc.mu.Lock(); defer rc.mu.Unlock(); return len(rc.taken) == 10*(1<<(at+1)-1) })

		for _, left := range []string{dir, copied} {
			if left == copied { // once more from where the first was killed
				rc.mu.Lock()
				rc.taken = rc.taken[:10*(1<<(at+1)-1)]
				rc.mu.Unlock()
			}
			r = newRig(t, Options{SpoolDir: left})
			r.apply(cfg)
			stop = r.start()
			r.flush()
			stop()
			r.books()
			r.closed()
			got := rc.got()
			if len(got) != 630 {
				t.Errorf("killed at %d: %d samples arrived", at, len(got))
			}
			repeated := 0
			for k, n := range got {
				if n > 2 {
					t.Errorf("killed at %d: %s arrived %d times", at, k, n)
				}
				repeated += n - 1
			}
			if repeated != 10*(1<<at) {
				t.Errorf("killed at %d: %d samples arrived twice, the request had %d", at, repeated, 10*(1<<at))
			}
		}
	}
}

// The books balance when requests are joined, refused and taken apart, while the spool drops
// what it has no room for, and across restarts.
func TestBooksOfJoinedRequests(t *testing.T) {
	joined, refused, lost := 0, 0, 0.0
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 9))
			dice := rand.New(rand.NewPCG(seed, 10))
			var mu sync.Mutex
			down := 0
			rc := &receiver{t: t}
			rc.script = func(_ int, req request) reply {
				mu.Lock()
				defer mu.Unlock()
				targets := 0 // each has a series m0
				for _, s := range req.series {
					if strings.Contains(s.Labels, `"m0"`) {
						targets++
					}
				}
				several := targets > 1
				if down > 0 {
					down--
					return reply{status: 503}
				}
				rep := reply{status: 204}
				switch n := dice.IntN(200); {
				case n < 10:
					down = dice.IntN(40)
				case n < 20:
					rep = reply{status: 413}
				case n < 30:
					rep = reply{status: 400, body: "too old sample"}
				case n < 31:
					rep = reply{status: 400, body: "bad series"}
				}
				if several && rep.status == 204 {
					joined++
				} else if several {
					refused++
				}
				return rep
			}
			dirs := []string{t.TempDir(), ""}
			quarantine := t.TempDir()
			for run := range 4 {
				r := newRig(t, Options{SpoolDir: dirs[run%2], QuarantineDir: quarantine, QueueBytes: 30_000})
				r.tuning = defaultTuning()
				r.through(directly(rc))
				cfg := config("http://example.org/write", MessageV1)
				cfg.Spool = spool.Config{MaxBytes: 30_000, Fsync: spool.Fsync(spool.SyncNever)}
				apply := func() {
					cfg := *cfg
					cfg.Shards = 1 + rnd.IntN(2)
					cfg.Order = []string{InOrder, FreshFirst}[rnd.IntN(2)]
					r.apply(&cfg)
					synctest.Wait()
					r.books()
				}
				apply()
				stop := r.start()
				for range 100 {
					now := nowMs()
					for i := range int64(5) {
						r.append(scrapeOf(target(fmt.Sprint("t", i)), roundSet(i, 10+rnd.IntN(100)), now))
					}
					time.Sleep(time.Duration(rnd.IntN(120)) * time.Second)
					if rnd.IntN(10) == 0 {
						apply()
					}
				}
				stop()
				r.books()
				lost += r.sum("samples_dropped_total", "reason", "queue_full")
				r.closed()
			}
		})
	}
	if joined < 50 || refused == 0 || lost == 0 {
		t.Errorf("the test is too weak: %d requests of several were taken, %d refused, %v samples dropped", joined, refused, lost)
	}
}

// A stop leaves the books in order when there was no more room for what was in hand.
func TestStopWithoutRoomForWhatIsInHand(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		synctest.Test(t, func(t *testing.T) {
			cfg := config("http://example.org/write", MessageV1)
			cfg.Spool = spool.Config{MaxBytes: 30_000, Fsync: spool.Fsync(spool.SyncNever)}
			o := Options{SpoolDir: dir, QueueBytes: 30_000}
			r, rc := backlog(t, o, cfg, 15, 50, func(n int, _ request) reply {
				if n < 3 {
					return reply{status: 204}
				}
				return reply{status: 503}
			})
			stop := r.start()
			synctest.Wait()
			inHand := rc.requests[3].samples()
			if inHand < 100 {
				t.Fatalf("%d samples are in hand", inHand)
			}
			for range 100 {
				r.append(scrapeOf(target("a:1"), seriesSet(50), nowMs()))
				time.Sleep(time.Second)
			}
			before := r.sum("samples_dropped_total", "reason", "queue_full")
			stop()
			r.want("samples_dropped_total", before+float64(inHand-50), "reason", "queue_full")
			r.books()
			r.closed()
		})
	}
}
