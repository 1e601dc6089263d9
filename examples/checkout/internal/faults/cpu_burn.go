package faults

import (
	"context"
	"crypto/sha256"
	"runtime"
	"sync/atomic"
	"time"
)

// cpuBurn computes for a while on each request. It never takes more than half of the
// processors: a request that finds no slot goes without.
type cpuBurn struct {
	level atomic.Int64 // milliseconds per request
	slots chan struct{}
	sum   atomic.Uint32 // keeps the results, so that the work is not optimised away
}

func newCPUBurn() *cpuBurn {
	return &cpuBurn{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

func (*cpuBurn) spec() Spec {
	return Spec{
		Name:    "cpu-burn",
		Summary: "each request computes for a while, on at most half of the processors",
		Unit:    "ms per request", Default: 5, Max: 100,
	}
}

func (f *cpuBurn) request(context.Context) {
	if f.level.Load() == 0 {
		return
	}
	select {
	case f.slots <- struct{}{}:
		f.verifyVoucher()
		<-f.slots
	default:
	}
}

func (f *cpuBurn) verifyVoucher() {
	start := time.Now()
	digest := sha256.Sum256(nil)
	for time.Since(start) < time.Duration(f.level.Load())*time.Millisecond {
		for range 100 {
			digest = sha256.Sum256(digest[:])
		}
	}
	f.sum.Add(uint32(digest[0]))
}

func (f *cpuBurn) set(level int) { f.level.Store(int64(level)) }
