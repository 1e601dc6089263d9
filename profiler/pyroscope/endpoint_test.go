package pyroscope

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// blame answers for one profile; the rest go their way.
func (s *server) blame(id string, a reply) {
	s.set(func() { s.script = func(p pushed) (reply, bool) { return a, p.id() == id } })
}

// every answers so to every profile; a nil reply ends that.
func (s *server) every(a *reply) {
	s.set(func() {
		s.script = nil
		if a != nil {
			s.script = func(pushed) (reply, bool) { return *a, true }
		}
	})
}

// What the server says of one profile decides over that one and holds up no other.
func TestAnswersForOneProfile(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		lost  string // reason; empty when the profile is kept and delivered in the end
	}{
		{"bad request", connectError(400, "invalid_argument", "invalid metric name"), lostRejected},
		{"outside of the window", connectError(400, "invalid_argument", "profile with labels '{}' is outside of ingestion window (profile timestamp: x)"), lostExpired},
		{"too large", connectError(400, "invalid_argument", "uncompressed profile payload size exceeds limit of 4.2 MB"), lostTooLarge},
		{"too large, after parsing", connectError(400, "invalid_argument", "the profile with labels '{}' exceeds the size limit (max_profile_size_byte, actual: 5, limit: 4)"), lostTooLarge},
		{"too large for a proxy", reply{status: 413, body: "<html>too large</html>"}, lostTooLarge},
		{"wrong content type", reply{status: 415}, lostRejected},
		{"unprocessable", reply{status: 422, body: "no"}, lostRejected},
		{"unimplemented", connectError(501, "unimplemented", "no"), lostRejected},
		{"garbage", connectError(500, "unknown", "unexpected EOF"), lostRejected},
		{"a part of the server is not there yet", connectError(500, "unknown", "rpc error: code = Unavailable desc = service is unavailable"), ""},
		{"unavailable", connectError(503, "unavailable", "no ingester"), ""},
		{"internal", connectError(500, "internal", "oops"), ""},
		{"bad gateway", reply{status: 502, body: "<html>"}, ""},
		{"deadline exceeded", connectError(504, "deadline_exceeded", "slow"), ""},
		{"request time-out", reply{status: 408}, ""},
		{"aborted", connectError(409, "aborted", "again"), ""},
		{"rate limited", connectError(429, "resource_exhausted", "push rate limit (4.0 MiB) exceeded while adding 0.1 MiB"), ""},
		{"error page with status 500", reply{status: 500, body: "Internal Server Error"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{})
				r.server.blame("bad", tt.reply)
				for i := range 10 {
					r.push(fmt.Sprint(i))
				}
				r.push("bad")
				r.run()
				time.Sleep(2 * time.Second)
				r.push("after")
				time.Sleep(3 * time.Minute)
				for _, id := range []string{"0", "9", "after"} {
					if !strings.Contains(" "+r.server.ids()+" ", " "+id+" ") {
						t.Errorf("%s was held up: stored %s", id, r.server.ids())
					}
				}
				if tt.lost != "" {
					if n := r.dropped(tt.lost); n != 1 {
						t.Errorf("%v profiles dropped as %s", n, tt.lost)
					}
					r.expectQueue(0)
				} else {
					r.expectQueue(1)
				}
				r.server.every(nil)
				time.Sleep(time.Minute)
				r.expectQueue(0)
				if got := strings.HasSuffix(r.server.ids(), "bad"); got != (tt.lost == "") {
					t.Errorf("stored in the end: %s", r.server.ids())
				}
			})
		})
	}
}

func TestGarbageIsTriedThreeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		p := makeProfile("garbage", time.Now())
		p.Data = p.Data[:10]
		if err := r.Append(p); err != nil {
			t.Fatal(err)
		}
		r.run()
		time.Sleep(10 * time.Minute)
		if n := r.server.count(); n != maxStrikes {
			t.Errorf("tried %d times", n)
		}
		if n := r.dropped(lostRejected); n != 1 {
			t.Errorf("%v profiles dropped", n)
		}
		if s := r.status(); !strings.Contains(s.LastError, "server answered 500 Internal Server Error (unknown): ") {
			t.Errorf("last error %q", s.LastError)
		}
	})
}

// A server that answers so to everything is broken itself: nothing is given up.
func TestServerThatFindsEverythingGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		a := connectError(500, "unknown", "context canceled")
		r.server.every(&a)
		r.run()
		for i := range 20 {
			r.push(fmt.Sprint(i))
			time.Sleep(time.Minute)
		}
		if n := r.dropped(lostRejected); n > 1 {
			t.Errorf("%v profiles dropped", n)
		}
		if n := r.server.count(); n > 100 {
			t.Errorf("%d requests in 20 minutes", n)
		}
		r.server.every(nil)
		time.Sleep(5 * time.Minute)
		r.expectQueue(0)
		if n := r.value(r.metrics.delivered); n < 19 {
			t.Errorf("%v profiles delivered", n)
		}
		// From now on a broken profile is to blame again.
		before := r.dropped(lostRejected)
		r.server.blame("bad", a)
		r.push("bad")
		time.Sleep(2 * time.Minute)
		if n := r.dropped(lostRejected) - before; n != 1 {
			t.Errorf("%v profiles dropped after the server recovered", n)
		}
	})
}

// A profile larger than the server's burst is told to come back for ever.
func TestProfileLargerThanTheBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.push("large", 3<<20)
		for i := range 5 {
			r.push(fmt.Sprint(i))
		}
		r.run()
		time.Sleep(2 * time.Minute)
		if n := r.dropped(lostTooLarge); n != 1 {
			t.Errorf("%v profiles dropped as too large", n)
		}
		if n := r.server.count(); n != 5+maxStrikes {
			t.Errorf("%d requests", n)
		}
		if got := r.server.ids(); len(strings.Fields(got)) != 5 {
			t.Errorf("stored %s", got)
		}
		if s := r.status(); !strings.Contains(s.LastError, "raise its ingestion_burst_size_mb") {
			t.Errorf("last error %q", s.LastError)
		}
	})
}

func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.run()
		r.push("before")
		time.Sleep(time.Second)
		down := reply{status: 503, body: "down"}
		r.server.every(&down)
		before := r.server.count()
		for i := range 30 {
			for j := range 5 {
				r.push(fmt.Sprintf("%d.%d", i, j))
			}
			time.Sleep(time.Minute)
		}
		if n := r.server.count() - before; n < 30 || n > 200 {
			t.Errorf("%d requests in 30 minutes of outage", n)
		}
		r.expectQueue(150)
		if s := r.status(); s.Misconfigured || s.LastError != "server answered 503 Service Unavailable: down" || s.Oldest.IsZero() {
			t.Errorf("status %+v", s)
		}
		r.server.every(nil)
		time.Sleep(retryMax + time.Second)
		r.expectQueue(0)
		if n := r.value(r.metrics.delivered); n != 151 {
			t.Errorf("%v profiles delivered", n)
		}
		if s := r.status(); s.LastError != "" {
			t.Errorf("last error %q", s.LastError)
		}
	})
}

// Requests that fail together are one failure, and a success forgets all failures.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.server.set(func() { r.server.delay = time.Second })
		r.run()
		r.push("first")
		time.Sleep(2 * time.Second)
		for round := range 3 {
			down := reply{status: 503}
			r.server.every(&down)
			for range senders {
				r.push("x")
			}
			time.Sleep(1100 * time.Millisecond) // all four fail
			if n := r.status().Queued; n != senders {
				t.Errorf("round %d: %d profiles wait", round, n)
			}
			r.server.every(nil)
			time.Sleep(retryMin + 2*time.Second)
			if n := r.status().Queued; n != 0 {
				t.Errorf("round %d: %d profiles still wait", round, n)
			}
		}
	})
}

func TestConnectionRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.network.setDown(true)
		r.push("a")
		r.push("b")
		r.run()
		time.Sleep(10 * time.Minute)
		r.expectQueue(2)
		if s := r.status(); s.LastError != "connection refused" {
			t.Errorf("last error %q", s.LastError)
		}
		r.network.setDown(false)
		time.Sleep(retryMax)
		r.expectQueue(0)
	})
}

func TestServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.server.set(func() { r.server.delay = time.Hour })
		r.push("a")
		r.run()
		time.Sleep(time.Minute)
		r.server.set(func() { r.server.delay = 0 })
		time.Sleep(time.Minute)
		if n := testutil.ToFloat64(r.metrics.retries.WithLabelValues("p", "timeout")); n == 0 {
			t.Error("no time-out was counted")
		}
		r.expectQueue(0)
		time.Sleep(2 * time.Hour) // the hanging handlers end
	})
}

// What a server would not take any more is not kept either.
func TestProfilesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		down := reply{status: 503}
		r.server.every(&down)
		r.run()
		r.push("old")
		time.Sleep(20 * time.Minute)
		r.push("young")
		time.Sleep(40 * time.Minute)
		r.expectQueue(1)
		if n := r.dropped(lostExpired); n != 1 {
			t.Errorf("%v profiles expired", n)
		}
		r.server.every(nil)
		time.Sleep(time.Minute)
		if got := r.server.ids(); got != "young" {
			t.Errorf("stored %s", got)
		}
	})
}

func TestMisconfiguredEndpoint(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply reply
		text  string
	}{
		{"unauthenticated", connectError(401, "unauthenticated", "no org id"), "server answered 401 Unauthorized (unauthenticated): no org id"},
		{"forbidden", reply{status: 403, body: "no"}, "server answered 403 Forbidden: no"},
		{"not found", reply{status: 404}, "server answered 404 Not Found"},
		{"method not allowed", reply{status: 405}, "server answered 405 Method Not Allowed"},
		{"a redirect that is not followed", reply{status: 302, header: http.Header{"Location": {"/login"}}}, "server answered 302 Found"},
		{"a web page", reply{status: 200, header: http.Header{"Content-Type": {"text/html"}}, body: "<html>"}, "server answered with a web page: is this the address of Pyroscope?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{})
				r.server.every(&tt.reply)
				r.run()
				for i := range 8 {
					r.push(fmt.Sprint(i))
				}
				time.Sleep(10 * time.Minute)
				if n := r.server.count(); n < 15 || n > 21 {
					t.Errorf("%d requests in ten minutes, want two a minute", n)
				}
				r.expectQueue(8)
				if s := r.status(); !s.Misconfigured || s.LastError != tt.text {
					t.Errorf("status %+v", s)
				}
				// The settings are mended: the backlog goes at once.
				r.server.set(func() { r.server.script, r.server.stored = nil, nil })
				mended := *r.config
				mended.Tenant = "team-a"
				r.apply(&mended)
				time.Sleep(time.Second)
				r.expectQueue(0)
				if s := r.status(); s.Misconfigured || s.LastError != "" {
					t.Errorf("status %+v", s)
				}
				if n := testutil.ToFloat64(r.metrics.misconfig.WithLabelValues("p", "")); n != 0 {
					t.Errorf("misconfigured is %v", n)
				}
			})
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		a := reply{status: 429, header: http.Header{"Retry-After": {"120"}}}
		r.server.every(&a)
		r.push("a")
		r.run()
		time.Sleep(time.Second)
		r.server.every(nil)
		flushed := make(chan error)
		go func() { flushed <- r.Flush(t.Context()) }() // not even a flush cuts it short
		start := time.Now()
		if err := <-flushed; err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d < 118*time.Second || d > 122*time.Second {
			t.Errorf("delivered after %s", d)
		}
	})
}
