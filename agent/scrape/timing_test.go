package scrape

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// clockwork is a rig whose target is read in-process, takes a set time to answer, and whose
// wall clock can be set. It is for use in a synctest bubble.
type clockwork struct {
	*rig
	takes, step atomic.Int64 // nanoseconds
}

func newClockwork(t *testing.T, interval time.Duration) *clockwork {
	c := &clockwork{rig: newRig(t)}
	c.now = func() time.Time { return time.Now().Add(time.Duration(c.step.Load())) }
	c.apply([]Job{c.job(interval)}, targetAt(t, "http://127.0.0.1:1/"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	c.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return c
}

func (c *clockwork) job(interval time.Duration) Job {
	job := checkout(func(cfg *Config) {
		cfg.ScrapeInterval, cfg.ScrapeTimeout = model.Duration(interval), model.Duration(interval)
	})
	job.Gatherer = c
	return job
}

func (c *clockwork) Gather() ([]*dto.MetricFamily, error) {
	time.Sleep(time.Duration(c.takes.Load()))
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "a", Help: "A."}, func() float64 { return 1 }))
	return reg.Gather()
}

// wait lets time pass, and what is due happen.
func (c *clockwork) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// intervals returns the times between the scrapes since the first n.
func (c *clockwork) intervals(n int) string {
	var out []string
	all := c.all()
	for i := max(n, 1); i < len(all); i++ {
		out = append(out, (time.Duration(all[i].TimeMs-all[i-1].TimeMs) * time.Millisecond).String())
	}
	return strings.Join(out, " ")
}

const testInterval = 15 * time.Second

func TestScrapesEachInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(t, testInterval)
		defer c.stop()
		began := time.Now()
		c.wait(4*testInterval - 1)
		if got := c.intervals(0); got != "15s 15s 15s" {
			t.Errorf("got %s", got)
		}
		first := time.UnixMilli(c.all()[0].TimeMs)
		if wait := first.Sub(began); wait < 0 || wait >= testInterval {
			t.Errorf("first scrape after %s", wait)
		}
		// The place in the interval is the target's own, whenever the loop started.
		c.apply(nil)
		c.wait(4 * time.Second)
		before := len(c.all())
		c.apply([]Job{c.job(testInterval)}, targetAt(t, "http://127.0.0.1:1/"))
		c.wait(testInterval)
		if again := time.UnixMilli(c.all()[before].TimeMs); again.Sub(first)%testInterval != 0 {
			t.Errorf("first at %s, after a restart at %s", first, again)
		}
	})
}

func TestReloadChangesInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(t, testInterval)
		defer c.stop()
		c.wait(2 * testInterval)
		before := len(c.all())
		c.apply([]Job{c.job(5 * time.Second)}, targetAt(t, "http://127.0.0.1:1/"))
		c.wait(testInterval)
		if got := c.intervals(before + 1); got != "5s 5s" {
			t.Errorf("got %s", got)
		}
	})
}

func TestScrapeAllDoesNotMoveTheTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(t, testInterval)
		defer c.stop()
		c.wait(testInterval)
		c.wait(4 * time.Second)
		for range 3 { // in one and the same millisecond
			c.scrapeAll()
		}
		c.wait(2 * testInterval)
		all := c.all()
		if got := all[len(all)-1].TimeMs - all[len(all)-2].TimeMs; got != testInterval.Milliseconds() {
			t.Errorf("%d ms between the last two", got)
		}
	})
}

func TestOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(t, testInterval)
		c.wait(testInterval)
		before := len(c.all())
		c.takes.Store(int64(50 * time.Second)) // three ticks go by: one is made up for
		c.wait(testInterval)
		c.takes.Store(0)
		c.wait(2 * time.Minute)
		if n := c.metric("outrider_scrapes_skipped_total", "target_job", "checkout", "reason", skippedOverrun); n != 2 {
			t.Errorf("%v skipped", n)
		}
		if got := c.intervals(before); !strings.HasPrefix(got, "15s 50s 10s 15s 15s") {
			t.Errorf("got %s", got)
		}
		c.stop()
	})
}

func TestClockSteps(t *testing.T) {
	for _, tc := range []struct {
		step    time.Duration
		want    string // times between the scrapes after it
		skipped float64
		log     string
	}{
		{-5 * time.Second, "10s 15s 15s 15s", 0, ""},
		// 5 s short of the last one, but within an interval of it: made good in passing.
		{-20 * time.Second, "1ms 9.999s 15s 15s", 0, ""},
		{-50 * time.Second, "1ms 9.999s", 2, `msg="scrape not delivered because the clock was set back" target=checkout/pod-1:8080 job=checkout by=35s`},
		{-2 * time.Hour, "-1h59m45s 15s 15s 15s", 0, `msg="clock was set back, following it; receivers may refuse samples until the former time has come again" target=checkout/pod-1:8080 job=checkout by=1h59m45s`},
		{24 * time.Hour, "24h0m15s 15s 15s 15s", 0, ""},
	} {
		t.Run(tc.step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClockwork(t, testInterval)
				c.wait(2 * testInterval)
				before := len(c.all())
				c.step.Store(int64(tc.step))
				c.wait(testInterval)
				if n := c.Status()[0].Samples; n != 1 {
					t.Errorf("%d samples on the targets page", n)
				}
				c.wait(3 * testInterval)
				if got := c.intervals(before); got != tc.want {
					t.Errorf("got %s, want %s", got, tc.want)
				}
				for i, sc := range c.all() {
					// Just the first scrape that goes by a clock set far back says so.
					if want := i == before && tc.step < -followAfter; sc.ClockReset != want {
						t.Errorf("scrape %d: clock reset %v", i, sc.ClockReset)
					}
					if sc.Failed || len(sc.Rest) > 0 || sc.Series.Len() != 1+5 {
						t.Errorf("at %d: %s", sc.TimeMs, dump(sc))
					}
				}
				if n := c.metric("outrider_scrapes_skipped_total", "target_job", "checkout", "reason", skippedClock); n != tc.skipped {
					t.Errorf("%v skipped, want %v", n, tc.skipped)
				}
				if !strings.Contains(c.log.String(), tc.log) {
					t.Errorf("log: %s", c.log)
				}
				if status := c.Status()[0]; status.Health != telemetry.HealthUp || time.Since(status.LastScrape.Add(-tc.step)) >= testInterval {
					t.Errorf("status %+v", status)
				}
				c.stop() // the recorder sees to it that the markers are newer than all else
			})
		})
	}
}

func TestNewTargetDoesNotWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(t, testInterval)
		defer c.stop()
		c.wait(2 * testInterval)
		c.step.Store(int64(-30 * time.Minute))
		other := targetAt(t, "http://127.0.0.1:2/")
		other.Labels = labels.FromStrings("instance", "pod-2:8080", "job", "checkout")
		before := len(c.all())
		c.apply([]Job{c.job(testInterval)}, other)
		c.wait(2 * testInterval)
		if got := c.all()[before:]; len(got) != 1+2 || got[0].Target.Instance() != "pod-1:8080" || got[1].Target.Instance() != "pod-2:8080" {
			t.Errorf("%d scrapes, %s", len(got), dump(got[0]))
		}
	})
}

func TestUntilTick(t *testing.T) {
	at := func(s string) time.Time {
		out, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, tc := range []struct {
		wall string
		hash uint64
		want time.Duration
	}{
		{"2026-01-01T00:00:00Z", 0, 0},
		{"2026-01-01T00:00:00Z", uint64(4 * time.Second), 4 * time.Second},
		{"2026-01-01T00:00:03Z", uint64(4 * time.Second), time.Second},
		{"2026-01-01T00:00:05Z", uint64(4 * time.Second), 9 * time.Second},
		{"1960-01-01T00:00:05Z", uint64(4 * time.Second), 9 * time.Second},
		{"2026-01-01T00:00:05Z", 1<<64 - 1, (1<<64-1)%10_000_000_000 - 5*time.Second},
	} {
		want := tc.want
		if want < 0 {
			want += 10 * time.Second
		}
		if got := untilTick(at(tc.wall), 10*time.Second, tc.hash); got != want {
			t.Errorf("%s %d: got %s, want %s", tc.wall, tc.hash, got, want)
		}
	}
}

// TestSidecarsSpread wants the targets of one sidecar at one point of the interval, and
// sidecars all over it.
func TestSidecarsSpread(t *testing.T) {
	quarters := [4]int{}
	for i := range 400 {
		m := New(Options{Logger: slog.New(slog.DiscardHandler), Instance: fmt.Sprintf("checkout-7d4f-%d", i)})
		var places []uint64
		for range 2 {
			places = append(places, m.newLoop(&settings{target: targetAt(t, "http://127.0.0.1:1/"), rules: &rules{}}, 0).place)
		}
		if places[0] != places[1] {
			t.Fatalf("targets of one sidecar at %v", places)
		}
		quarters[untilTick(time.Unix(0, 0), testInterval, places[0])*4/testInterval]++
	}
	for _, n := range quarters {
		if n < 60 || n > 140 {
			t.Errorf("400 sidecars over the quarters of an interval: %v", quarters)
			break
		}
	}
}
