package remotewrite

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/spool"
	"outrider/telemetry"
)

// Several lanes have several requests in flight, but only one of a target, in order.
func TestShards(t *testing.T) {
	var inFlight, most atomic.Int32
	var reloaded atomic.Bool
	var mu sync.Mutex
	last := make(map[string]int64)
	rc, url := served(t, func(_ int, req request) reply {
		most.Store(max(most.Load(), inFlight.Add(1)))
		defer inFlight.Add(-1)
		defer time.Sleep(2 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		for _, s := range req.series {
			for _, f := range s.Floats {
				// A request that is given up in a reload is sent again.
				if f.TimeMs < last[s.Labels] || f.TimeMs == last[s.Labels] && !reloaded.Load() {
					t.Errorf("%s goes back to %d", s.Labels, f.TimeMs)
				}
				last[s.Labels] = f.TimeMs
			}
		}
		return reply{status: 204}
	})
	dir := t.TempDir()
	for run, shards := range []int{4, 4, 1, 3, 2} {
		r := newRig(t, Options{SpoolDir: dir})
		cfg := config(url, MessageV1)
		cfg.Shards = shards
		r.apply(cfg)
		// Half of it waits on disk for the next run, which has another number of lanes.
		var stop func()
		for i := range int64(40) {
			if i == 20 && run%2 == 0 {
				stop = r.start()
				r.flush()
				stop()
			}
			for tg := range int64(8) {
				set := telemetry.NewSeriesSet([]labels.Labels{labels.FromStrings("__name__", "up", "instance", fmt.Sprint(tg))}, make([]*telemetry.Metadata, 1))
				r.append(scrapeOf(target(fmt.Sprint(tg)), set, t0+int64(run)*100_000+i*1000))
			}
		}
		r.books()
		if run == 0 && most.Load() < 2 {
			t.Error("never more than one request in flight")
		}
		if most.Swap(0) > int32(shards) {
			t.Errorf("more requests in flight than %d lanes", shards)
		}
		r.closed()
		entries, err := os.ReadDir(filepath.Join(dir, "main"))
		if err != nil || len(entries) != shards {
			t.Errorf("lanes %v, %v", entries, err)
		}
	}
	r := newRig(t, Options{SpoolDir: dir})
	cfg := config(url, MessageV1)
	r.apply(cfg)
	r.start()
	cfg2 := *cfg
	cfg2.Shards = 5
	reloaded.Store(true)
	r.apply(&cfg2) // while it works
	r.flush()
	if n := len(rc.got()); n != 5*40*8 {
		t.Errorf("%d samples arrived", n)
	}
	r.closed()
}

// All lanes and the log behind share one bound; what is behind goes first.
func TestLanesShareTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, dir := range []string{"", t.TempDir()} {
			r, _ := patient(t, Options{SpoolDir: dir}, func(int, request) reply { return reply{status: 503} })
			cfg := config("http://example.org/write", MessageV1)
			cfg.Shards, cfg.Order = 3, FreshFirst
			cfg.Spool = spool.Config{MaxBytes: 200_000, Fsync: spool.Fsync(spool.SyncNever)}
			r.apply(cfg)
			stop := r.start()
			for i := range int64(400) {
				r.append(scrapeOf(target(fmt.Sprint("t", i%4)), roundSet(i%4, 100), nowMs()))
				time.Sleep(time.Second)
				if used := r.sum("spool_used_bytes"); used > 200_000 {
					t.Fatalf("%v bytes are used", used)
				}
			}
			if q := r.sum("queue_bytes"); q < 120_000 {
				t.Errorf("only %v bytes wait", q)
			}
			r.books()
			stop()
			r.closed()
		}
	})
}

// A request that was taken apart goes on where it was, in its order, when the lanes change.
func TestLanesChangeUnderAFrontInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, change := range []func(*Config){
			func(c *Config) { c.Shards = 3 },
			func(c *Config) { c.Order = FreshFirst },
			func(c *Config) { c.Shards, c.Order = 2, FreshFirst },
		} {
			for i := range 4 {
				var parts, back atomic.Bool
				last := make(map[string]int64)
				r, rc := patient(t, Options{}, func(_ int, req request) reply {
					switch {
					case back.Load():
					case req.samples() > 25:
						return reply{status: 413}
					case parts.Swap(true): // the first part is delivered
						return reply{status: 503}
					}
					for _, s := range req.series {
						for _, f := range s.Floats {
							if f.TimeMs <= last[s.Labels] {
								t.Errorf("%s goes back", s.Labels)
							}
							last[s.Labels] = f.TimeMs
						}
					}
					return reply{status: 204}
				})
				cfg := config("http://example.org/write", MessageV1)
				r.apply(cfg)
				stop := r.start()
				for range 5 {
					r.append(scrapeOf(target(fmt.Sprint("t", i)), seriesSet(100), nowMs()))
					time.Sleep(time.Second)
				}
				if n := r.sum("samples_delivered_total"); n != 25 {
					t.Fatalf("%v samples delivered", n)
				}
				changed := *cfg
				change(&changed)
				r.apply(&changed)
				r.want("queue_samples", 475)
				back.Store(true)
				r.flush()
				r.books()
				if n := len(rc.got()); n != 500 {
					t.Errorf("%d samples arrived", n)
				}
				for k, n := range rc.got() {
					if n != 1 {
						t.Errorf("%s arrived %d times", k, n)
					}
				}
				stop()
			}
		}
	})
}
