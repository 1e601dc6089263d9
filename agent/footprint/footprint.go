// Package footprint keeps what the process takes of its machine small: one core, a heap with
// little garbage in it, and no memory that was needed only for a moment.
//
// A sidecar is small most of the time and large for a moment, when it meets a target for the
// first time or takes a backlog apart. The Go runtime is slow to give such memory back: it
// collects garbage when the heap has grown by a share of itself, which takes long where next
// to nothing is allocated, or after two minutes. How the values here were chosen is said in
// docs/design/0006-footprint.md.
package footprint

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// GCPercent is by how much the heap may grow before garbage is collected.
	GCPercent = 50
	// Procs is how many cores Go code runs on at a time. With more of them the scheduler
	// spends a part of each short task on looking for work on the others.
	Procs = 1
)

// SetDefaults sets GCPercent and Procs where the environment has no GOGC and GOMAXPROCS, which
// the runtime has obeyed.
func SetDefaults(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(GCPercent)
	}
	if getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(Procs)
	}
}

const (
	every = 10 * time.Second
	// The heap is looked through when it has grown by growth and a share of what it was, and
	// else after some ticks, in case that what it holds is no longer needed: from soon on, and
	// twice as long each time in vain, up to late. A collection of some ten megabytes takes
	// some ten milliseconds.
	growth      = 2 << 20
	growthShare = 0.2
	soon        = 3
	late        = 30
	// vain is the share that has to come free for it not to be in vain.
	vain = 0.1
)

// Keeper gives memory back. Make one with New.
type Keeper struct {
	held func() uint64 // bytes of the heap: objects, garbage, and free pages not given back
	free func()

	left        uint64 // held after the last time
	since, wait int    // ticks since then, and to wait for if nothing grows
}

// New returns a Keeper for this process.
func New() *Keeper { return &Keeper{held: newReader(), free: debug.FreeOSMemory, wait: soon} }

// Run looks after the memory until ctx is done.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.look()
		case <-ctx.Done():
			return nil
		}
	}
}

// look gives memory back if it is time to.
func (k *Keeper) look() {
	k.since++
	before := k.held()
	grown := before > k.left+growth && float64(before) > (1+growthShare)*float64(k.left)
	if k.since < k.wait && !(grown && (k.since >= soon || k.left == 0)) {
		return
	}
	k.free()
	k.left, k.since = k.held(), 0
	if float64(before)-float64(k.left) >= vain*float64(before) {
		k.wait = soon
	} else {
		k.wait = min(2*k.wait, late)
	}
}

func newReader() func() uint64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	return func() uint64 {
		metrics.Read(samples)
		var sum uint64
		for _, s := range samples {
			if s.Value.Kind() == metrics.KindUint64 {
				sum += s.Value.Uint64()
			}
		}
		return sum
	}
}
