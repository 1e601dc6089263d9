package scrape

import (
	"context"
	"time"
)

// turns has the targets of a sidecar asked in turn. They are scraped together, so that the
// sidecar wakes up once for all of them: ten targets cost half of what they do spread over
// the interval. All beside one service, they are not to be busy all at once.
type turns chan struct{}

const (
	// atOnce is how many targets may be at work on an exposition at a time.
	atOnce = 2
	// turnAfter is for how long a target waits for its turn. One that takes longer than that
	// holds up nobody.
	turnAfter = 50 * time.Millisecond
)

func newTurns() turns { return make(turns, atOnce) }

// wait waits for a turn, and returns how to end it.
func (t turns) wait(ctx context.Context) (end func()) {
	end = func() { <-t }
	select {
	case t <- struct{}{}:
		return end
	default:
	}
	timer := time.NewTimer(turnAfter)
	defer timer.Stop()
	select {
	case t <- struct{}{}:
		return end
	case <-timer.C:
	case <-ctx.Done():
	}
	return func() {}
}
