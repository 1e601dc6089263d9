// Package latency provides waiting times that look like those of a network and a disk, and
// come in the same sequence for the same seed.
package latency

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// sigma is the spread of the log-normal distribution: one wait in a hundred takes more than
// three times the median.
const sigma = 0.5

// longest is the longest wait, in medians.
const longest = 10

// Source draws waiting times. It is safe for concurrent use.
type Source struct {
	pace float64

	mu  sync.Mutex
	rng *rand.Rand
}

// New makes a source. Sources with the same seed and different streams are independent of
// each other. Each wait is multiplied by pace, which lets tests hurry.
func New(seed, stream uint64, pace float64) *Source {
	return &Source{pace: pace, rng: rand.New(rand.NewPCG(seed, stream))}
}

// Draw returns a wait; half of them are shorter than median.
func (s *Source) Draw(median time.Duration) time.Duration {
	s.mu.Lock()
	factor := math.Exp(sigma * s.rng.NormFloat64())
	s.mu.Unlock()
	return time.Duration(min(factor, longest) * s.pace * float64(median))
}

// Chance returns true with probability p.
func (s *Source) Chance(p float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.Float64() < p
}

// Wait sleeps for as long as Draw says, or returns the error of ctx.
func (s *Source) Wait(ctx context.Context, median time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err // even if the wait is so short that its end could win the race
	}
	timer := time.NewTimer(s.Draw(median))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
