package pyroscope

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A server that comes back within the time between two strikes loses nothing, though a flush
// asks it every second.
func TestFlushIsNoStrike(t *testing.T) {
	for _, a := range []reply{
		connectError(500, "unknown", "context canceled"),
		connectError(429, "resource_exhausted", "push rate limit (4.0 MiB) exceeded while adding 3.0 MiB"),
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{})
			r.server.every(&a)
			r.push("only", burstLimit+(1<<10)) // fits in the burst, but we cannot know
			r.run()
			time.Sleep(time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
			defer cancel()
			if err := r.Flush(ctx); err == nil {
				t.Error("the profile is gone")
			}
			if n := r.server.count(); n < 4 {
				t.Errorf("%d requests: a flush should not wait", n)
			}
			r.expectQueue(1)
			r.server.every(nil)
			if err := r.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			if got := r.server.ids(); got != "only" {
				t.Errorf("stored %q", got)
			}
		})
	}
}

// Nor does a flush save a broken profile for ever.
func TestFlushOfGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.server.blame("bad", connectError(500, "unknown", "unexpected EOF"))
		r.push("bad")
		r.run()
		start := time.Now()
		if err := r.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < 6*suspectWait || d > 6*suspectWait+2*hurryEvery {
			t.Errorf("given up after %s", d)
		}
		if n := r.dropped(lostRejected); n != 1 {
			t.Errorf("%v profiles dropped", n)
		}
	})
}
