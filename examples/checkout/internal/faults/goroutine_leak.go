package faults

import (
	"context"
	"sync"
	"sync/atomic"
)

// goroutineLeakCap is about 25 MB of stacks.
const goroutineLeakCap = 10_000

// goroutineLeak starts goroutines that wait for an answer which never comes, as happens when
// whoever should send it has returned early.
type goroutineLeak struct {
	level atomic.Int64 // goroutines per request

	mu      sync.Mutex
	answers chan struct{} // nothing is sent; closed when switched off, nil while off
	waiting sync.WaitGroup
	started int64
}

func (*goroutineLeak) spec() Spec {
	return Spec{
		Name:    "goroutine-leak",
		Summary: "each request starts goroutines that wait forever",
		Unit:    "goroutines per request", Default: 1, Max: 100,
	}
}

func (f *goroutineLeak) request(context.Context) {
	if f.level.Load() > 0 {
		f.notifyCustomer()
	}
}

func (f *goroutineLeak) notifyCustomer() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range f.level.Load() {
		if f.started == goroutineLeakCap {
			return
		}
		f.started++
		f.waiting.Add(1)
		// Not WaitGroup.Go: it would be the creator that tracebacks name.
		go f.awaitReceipt(f.answers)
	}
}

func (f *goroutineLeak) awaitReceipt(answer <-chan struct{}) {
	defer f.waiting.Done()
	<-answer
}

func (f *goroutineLeak) set(level int) {
	f.mu.Lock()
	f.level.Store(int64(level))
	switch {
	case level > 0 && f.answers == nil:
		f.answers = make(chan struct{})
	case level == 0 && f.answers != nil:
		close(f.answers)
		f.answers = nil
		f.started = 0
	}
	f.mu.Unlock()
	if level == 0 {
		f.waiting.Wait()
	}
}

func (f *goroutineLeak) held() (now, most int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.started, goroutineLeakCap
}
