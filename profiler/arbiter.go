package profiler

import "context"

// arbiter lets one capture at a time have what a process has only one of: its CPU
// profiler. Whoever comes first is served first, be it the schedule or a person.
type arbiter struct {
	slot chan struct{}
}

func newArbiter() *arbiter { return &arbiter{slot: make(chan struct{}, 1)} }

// acquire waits for its turn until ctx is done, whose error it then returns. The caller
// must call release once its capture has ended.
func (a *arbiter) acquire(ctx context.Context) (release func(), err error) {
	// Senders that wait on a channel are served in the order in which they came.
	select {
	case a.slot <- struct{}{}:
		return func() { <-a.slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
