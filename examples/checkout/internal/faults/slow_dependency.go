package faults

import (
	"context"
	"sync"
	"time"
)

// slowDependency makes each query of the database take longer while it holds its connection,
// which pins the pool.
type slowDependency struct {
	mu    sync.Mutex
	delay time.Duration
	off   chan struct{} // closed when switched off; nil while off
}

func (*slowDependency) spec() Spec {
	return Spec{
		Name:    "slow-dependency",
		Summary: "each database query takes longer and keeps its connection meanwhile",
		Unit:    "ms per query", Default: 250, Max: 5000,
	}
}

func (f *slowDependency) waitForReplica(ctx context.Context) {
	f.mu.Lock()
	delay, off := f.delay, f.off
	f.mu.Unlock()
	if delay == 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-off:
	case <-ctx.Done():
	}
}

func (f *slowDependency) set(level int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = time.Duration(level) * time.Millisecond
	switch {
	case level > 0 && f.off == nil:
		f.off = make(chan struct{})
	case level == 0 && f.off != nil:
		close(f.off)
		f.off = nil
	}
}
