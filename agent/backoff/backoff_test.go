package backoff

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestNext(t *testing.T) {
	tests := map[string]struct {
		min, max time.Duration
		want     []time.Duration // before jitter
	}{
		"doubles up to max": {
			30 * time.Millisecond, 5 * time.Second,
			[]time.Duration{
				30 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond, 240 * time.Millisecond,
				480 * time.Millisecond, 960 * time.Millisecond, 1920 * time.Millisecond, 3840 * time.Millisecond,
				5 * time.Second, 5 * time.Second,
			},
		},
		"constant":        {time.Second, time.Second, []time.Duration{time.Second, time.Second, time.Second}},
		"max below min":   {2 * time.Second, time.Second, []time.Duration{2 * time.Second, 2 * time.Second}},
		"the largest max": {1 << 62, math.MaxInt64, []time.Duration{1 << 62, math.MaxInt64, math.MaxInt64}},
		"one nanosecond":  {1, 4, []time.Duration{1, 2, 4, 4}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for range 100 { // the jitter is random
				b := Backoff{Min: tt.min, Max: tt.max}
				for i, d := range tt.want {
					if got := b.Next(); got < d/2 || got > d {
						t.Fatalf("wait %d is %v, want between %v and %v", i, got, d/2, d)
					}
				}
			}
		})
	}
}

func TestNextSpreads(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		b := Backoff{Min: time.Second, Max: time.Minute}
		seen[b.Next()] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 first waits have %d different values", len(seen))
	}
}

func TestReset(t *testing.T) {
	b := Backoff{Min: time.Second, Max: time.Hour}
	for range 10 {
		b.Next()
	}
	b.Reset()
	if got := b.Next(); got > time.Second {
		t.Errorf("the first wait after Reset is %v, want at most 1s", got)
	}
}

func TestSleep(t *testing.T) {
	cause := errors.New("stop")
	tests := map[string]struct {
		wait      time.Duration
		cancel    time.Duration // when ctx ends; negative: before
		want      error
		wantSlept time.Duration
	}{
		"whole":            {time.Minute, time.Hour, nil, time.Minute},
		"cut short":        {time.Hour, time.Minute, context.Canceled, time.Minute},
		"already done":     {time.Hour, -1, context.Canceled, 0},
		"nothing":          {0, time.Hour, nil, 0},
		"negative":         {-time.Second, time.Hour, nil, 0},
		"nothing but done": {0, -1, context.Canceled, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if tt.cancel < 0 {
					cancel(cause)
				} else {
					defer time.AfterFunc(tt.cancel, func() { cancel(cause) }).Stop()
				}
				start := time.Now()
				if err := Sleep(ctx, tt.wait); !errors.Is(err, tt.want) {
					t.Errorf("Sleep returned %v, want %v", err, tt.want)
				}
				if got := time.Since(start); got != tt.wantSlept {
					t.Errorf("slept %v, want %v", got, tt.wantSlept)
				}
			})
		})
	}
}
