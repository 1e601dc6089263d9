package scrape

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurns(t *testing.T) {
	for _, tc := range []struct {
		name       string
		takes      time.Duration
		most       int32
		within     time.Duration
		cancelled  bool
		mostWaited time.Duration
	}{
		{"quick targets", 5 * time.Millisecond, atOnce, 25 * time.Millisecond, false, 20 * time.Millisecond},
		{"slow targets", time.Minute, 10, time.Minute + turnAfter, false, turnAfter},
		{"the end", time.Minute, 10, time.Minute, true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tc.cancelled {
					cancel()
				}
				turns := newTurns()
				var (
					wg        sync.WaitGroup
					now, most atomic.Int32
				)
				start := time.Now()
				for range 10 {
					wg.Go(func() {
						defer turns.wait(ctx)()
						if waited := time.Since(start); waited > tc.mostWaited {
							t.Errorf("waited for %s", waited)
						}
						most.Store(max(most.Load(), now.Add(1)))
						time.Sleep(tc.takes)
						now.Add(-1)
					})
				}
				wg.Wait()
				if most.Load() > tc.most || time.Since(start) > tc.within {
					t.Errorf("%d at once, %s; want %d, %s", most.Load(), time.Since(start), tc.most, tc.within)
				}
				if len(turns) != 0 {
					t.Errorf("%d turns were not ended", len(turns))
				}
			})
		})
	}
}
