package faults

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

const heapLeakCap = 256 << 20 // bytes

// heapLeak keeps a record of each request in a history that nothing ever trims.
type heapLeak struct {
	level atomic.Int64 // KiB per request

	mu      sync.Mutex
	history [][]byte
	bytes   int64
}

func (*heapLeak) spec() Spec {
	return Spec{
		Name:    "heap-leak",
		Summary: "each request adds to a history that is never trimmed",
		Unit:    "KiB per request", Default: 64, Max: 4096,
	}
}

func (f *heapLeak) request(context.Context) {
	if kib := f.level.Load(); kib > 0 {
		f.rememberVisit(kib << 10)
	}
}

func (f *heapLeak) rememberVisit(size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.level.Load() == 0 || f.bytes+size > heapLeakCap {
		return
	}
	visit := make([]byte, size)
	for i := 0; i < len(visit); i += 4 << 10 { // untouched pages would not count as resident
		visit[i] = 1
	}
	f.history = append(f.history, visit)
	f.bytes += size
}

func (f *heapLeak) set(level int) {
	f.mu.Lock()
	f.level.Store(int64(level))
	if level == 0 {
		f.history, f.bytes = nil, 0
	}
	f.mu.Unlock()
	if level == 0 {
		debug.FreeOSMemory() // so that the resident set shows at once that it is over
	}
}

func (f *heapLeak) held() (now, most int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes, heapLeakCap
}
