package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"outrider/demo/internal/stack"
)

// makeDir makes a folder and those above it.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of a case: %w", err)
	}
	return nil
}

func freeAddress() (string, error) { return stack.FreeAddress("127.0.0.1") }

// random is a source that goroutines may share. The seed tells a campaign from another.
type random struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newRandom(seed, stream uint64) *random { return &random{rng: rand.New(rand.NewPCG(seed, stream))} }

// n returns a number below n.
func (r *random) n(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rng.IntN(n)
}

// between returns a duration from low up to high.
func (r *random) between(low, high time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return low + time.Duration(r.rng.Int64N(int64(high-low)))
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
