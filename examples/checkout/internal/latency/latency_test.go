package latency

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func draw(s *Source, n int) (waits []time.Duration) {
	for range n {
		waits = append(waits, s.Draw(10*time.Millisecond))
	}
	return waits
}

func TestWaitsFollowSeedAndStream(t *testing.T) {
	want := draw(New(7, 1, 1), 5)
	if got := draw(New(7, 1, 1), 5); !slices.Equal(got, want) {
		t.Errorf("one seed gave %v and %v", want, got)
	}
	for _, other := range []*Source{New(8, 1, 1), New(7, 2, 1)} {
		if got := draw(other, 5); slices.Equal(got, want) {
			t.Errorf("another seed or stream also gave %v", got)
		}
	}
}

func TestDistribution(t *testing.T) {
	waits := draw(New(1, 1, 1), 10_001)
	slices.Sort(waits)
	for _, tc := range []struct {
		quantile  string
		index     int
		low, high time.Duration
	}{
		{"median", 5_000, 9500 * time.Microsecond, 10500 * time.Microsecond},
		{"99th percentile", 9_900, 29 * time.Millisecond, 35 * time.Millisecond},
		{"longest", 10_000, 35 * time.Millisecond, 100 * time.Millisecond},
	} {
		if got := waits[tc.index]; got < tc.low || got > tc.high {
			t.Errorf("%s is %v, want %v to %v", tc.quantile, got, tc.low, tc.high)
		}
	}
}

func TestPace(t *testing.T) {
	slow, fast := New(1, 1, 1).Draw(time.Second), New(1, 1, 0.5).Draw(time.Second)
	if fast != slow/2 {
		t.Errorf("at half the pace %v, at the full one %v", fast, slow)
	}
}

func TestChance(t *testing.T) {
	s, hits := New(1, 1, 1), 0
	for range 10_000 {
		if s.Chance(0.1) {
			hits++
		}
		if s.Chance(0) || !s.Chance(1) {
			t.Fatal("what cannot happen did, or what must happen did not")
		}
	}
	if hits < 900 || hits > 1100 {
		t.Errorf("a chance of one in ten came true %d times in 10000", hits)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := New(1, 1, 1).Wait(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		if got, want := time.Since(start), New(1, 1, 1).Draw(time.Second); got != want {
			t.Errorf("waited %v, want %v", got, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := New(1, 1, 1).Wait(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait past the deadline returned %v", err)
		}
		if err := New(1, 1, 0).Wait(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no wait at all, after the deadline, returned %v", err)
		}
	})
}
