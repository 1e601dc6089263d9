package faults

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// lockConvoy sends every request through one mutex that is held during slow I/O. How many
// queue for it is bounded only by how many requests the service serves at a time.
type lockConvoy struct {
	level   atomic.Int64 // milliseconds that a request holds the lock
	journal sync.Mutex
}

func (*lockConvoy) spec() Spec {
	return Spec{
		Name:    "lock-convoy",
		Summary: "each request holds one global lock during slow I/O",
		Unit:    "ms per request", Default: 12, Max: 100,
	}
}

func (f *lockConvoy) request(context.Context) {
	if f.level.Load() > 0 {
		f.appendToJournal()
	}
}

func (f *lockConvoy) appendToJournal() {
	f.journal.Lock()
	defer f.journal.Unlock()
	// The level is read again so that a queue does not outlive the fault.
	time.Sleep(time.Duration(f.level.Load()) * time.Millisecond)
}

func (f *lockConvoy) set(level int) {
	f.level.Store(int64(level))
	if level == 0 {
		f.journal.Lock() // wait for whoever still holds it
		defer f.journal.Unlock()
	}
}
