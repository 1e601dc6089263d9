package remotewrite

import (
	"fmt"
	"strings"
	"testing"

	"outrider/telemetry"
)

// poisoned refuses requests that hold one of the series, and stores nothing of them, as a
// receiver of 1.0 does.
func poisoned(names ...string) func(int, request) reply {
	return func(_ int, req request) reply {
		for _, s := range req.series {
			for _, n := range names {
				if strings.HasPrefix(s.Labels, `{__name__="`+n+`",`) {
					return reply{status: 400, body: "out of order sample"}
				}
			}
		}
		return reply{status: 204}
	}
}

func TestPoison(t *testing.T) {
	for _, m := range []string{MessageV1, MessageV2} {
		for _, pos := range []int{0, 1, 37, 4999, 5000, 9999} {
			t.Run(fmt.Sprintf("%s/%d", m, pos), func(t *testing.T) {
				rc, url := served(t, poisoned(fmt.Sprintf("m%d", pos)))
				dir := t.TempDir()
				r := newRig(t, Options{QuarantineDir: dir})
				r.apply(config(url, m))
				r.start()
				tgt, set := target("a:1"), seriesSet(10_000)
				r.append(scrapeOf(tgt, set, t0))
				r.flush()
				if n := rc.count(); n > 16 {
					t.Errorf("%d requests to find one series", n)
				}
				// The next time it is known where to look.
				before := rc.count()
				r.append(scrapeOf(tgt, set, t0+1000))
				r.flush()
				if n := rc.count() - before; n > 2 {
					t.Errorf("%d requests to find it again", n)
				}
				r.want("samples_delivered_total", 2*9_999)
				r.want("samples_quarantined_total", 2)
				r.want("samples_dropped_total", 0)
				r.books()
				got := rc.got()
				if len(got) != 2*9_999 {
					t.Errorf("%d samples arrived", len(got))
				}
				for k, n := range got {
					if n != 1 {
						t.Errorf("%s was delivered %d times", k, n)
					}
				}
				for i, f := range quarantined(t, dir) {
					if f.Reason != "server answered 400 Bad Request: out of order sample" || f.Endpoint != "main" ||
						len(f.series) != 1 || f.series[0].name() != fmt.Sprintf("m%d", pos) || f.series[0].floats[0].timeMs != t0+int64(i)*1000 {
						t.Errorf("in quarantine: %+v", f)
					}
				}
				if log := r.log.String(); !strings.Contains(log, fmt.Sprintf(`__name__=\"m%d\"`, pos)) || !strings.Contains(log, "out of order sample") {
					t.Errorf("the log does not name the series and the reason:\n%s", log)
				}
			})
		}
	}
}

func TestPoisonInManyPlaces(t *testing.T) {
	for _, c := range []struct {
		n, poison int
		atLeast   int // delivered
	}{
		{10_000, 2, 9_900},  // the second not to the last one
		{1_000, 2, 998},     // both
		{64, 3, 61},         //
		{10_000, 40, 100},   // some
		{10_000, 10_000, 0}, // nothing
		{5, 5, 0},
	} {
		t.Run(fmt.Sprintf("%d of %d", c.poison, c.n), func(t *testing.T) {
			var bad []string
			for i := range c.poison {
				bad = append(bad, fmt.Sprintf("m%d", (i*c.n/c.poison+c.n/7)%c.n))
			}
			rc, url := served(t, func(n int, req request) reply {
				if c.poison == c.n {
					return reply{status: 422, body: "no"}
				}
				return poisoned(bad...)(n, req)
			})
			r := newRig(t, Options{QuarantineDir: t.TempDir()})
			r.apply(config(url, MessageV1))
			r.append(scrapeOf(target("a:1"), seriesSet(c.n), t0))
			r.start()
			r.flush()
			if n := rc.count(); n > maxBisect {
				t.Errorf("%d requests, more than %d", n, maxBisect)
			}
			r.books()
			got := r.sum("samples_delivered_total")
			if got < float64(c.atLeast) || got > float64(c.n-c.poison) {
				t.Errorf("%v delivered, want %d at least and %d at most", got, c.atLeast, c.n-c.poison)
			}
			r.want("samples_quarantined_total", float64(c.n)-got)
			for k, n := range rc.got() {
				if n != 1 {
					t.Errorf("%s was delivered %d times", k, n)
				}
			}
		})
	}
}

func TestPoisonWithoutQuarantine(t *testing.T) {
	_, url := served(t, poisoned("m2"))
	r := newRig(t, Options{})
	r.apply(config(url, MessageV1))
	r.append(scrapeOf(target("a:1"), seriesSet(4), t0))
	r.start()
	r.flush()
	r.want("samples_dropped_total", 1, "reason", "poison")
	r.want("samples_delivered_total", 3)
	r.books()
}

func TestPoisonAmongOtherAnswers(t *testing.T) {
	no := reply{status: 422}
	for name, last := range map[string]reply{
		"too large": {status: 413},
		"too old":   {status: 400, body: "too old sample"},
		"not 2.0":   {status: 204, noWritten: true},
		"down":      {status: 503},
	} {
		for at := 1; at < maxBisect; at++ { // the other answer comes to each request in turn
			rc, url := served(t, play(append(times(at, no), last)...))
			r := newRig(t, Options{QuarantineDir: t.TempDir()})
			r.apply(config(url, MessageV2))
			r.append(scrapeOf(target("a:1"), seriesSet(1000), t0))
			r.start()
			r.flush()
			r.books()
			if got := r.sum("samples_delivered_total"); float64(len(rc.got())) != got {
				t.Errorf("%s to request %d: %v samples delivered, %d arrived", name, at, got, len(rc.got()))
			}
			for k, n := range rc.got() {
				if n != 1 {
					t.Errorf("%s to request %d: %s was delivered %d times", name, at, k, n)
				}
			}
		}
	}
}

func TestStopInTheMiddle(t *testing.T) {
	// The sender is stopped at each request of a search in turn, before it gets an answer, and
	// another goes on.
	tooOld := func(n int, req request) reply {
		for _, s := range req.series {
			if s.Floats[0].TimeMs < t0-5*3_600_000 {
				return reply{status: 400, body: "too old sample"}
			}
		}
		return reply{status: 204}
	}
	for _, c := range []struct {
		name      string
		script    func(int, request) reply
		scrape    *telemetry.Scrape
		requests  int
		delivered float64
	}{
		{"poison", poisoned("m21", "m40"), scrapeOf(target("a:1"), seriesSet(64), t0), 9, 62},
		{"age", tooOld, withOwn(), 4, 9},
	} {
		for at := range c.requests {
			stopNow, release := make(chan struct{}), make(chan struct{})
			rc, url := served(t, func(n int, req request) reply {
				if n == at {
					close(stopNow)
					<-release
					return reply{status: 503}
				}
				return c.script(n, req)
			})
			r := newRig(t, Options{QuarantineDir: t.TempDir()})
			r.apply(config(url, MessageV1))
			r.append(c.scrape)
			stop := r.start()
			<-stopNow
			stop()
			r.books()
			close(release)
			stop = r.start()
			r.flush()
			stop()
			r.want("samples_delivered_total", c.delivered)
			r.books()
			if len(rc.got()) != int(c.delivered) {
				t.Errorf("%s, stopped at %d: %d samples arrived", c.name, at, len(rc.got()))
			}
			for k, n := range rc.got() {
				if n != 1 {
					t.Errorf("%s, stopped at %d: %s was delivered %d times", c.name, at, k, n)
				}
			}
		}
	}
}
