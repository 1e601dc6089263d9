package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff counts failures and says how long to wait before the next try. The zero value is
// of no use: Min and Max must be set. It is not safe for concurrent use.
type Backoff struct {
	Min, Max time.Duration

	next time.Duration
}

// Next returns the wait before the next try and doubles the one after it, up to Max; a Min
// above Max wins. The wait is drawn from the upper half of its range, so that many senders
// that failed together do not come back together.
func (b *Backoff) Next() time.Duration {
	if b.next < b.Min {
		b.next = b.Min
	}
	d := b.next
	b.next += min(d, max(b.Max-d, 0)) // doubled, in a way that cannot overflow
	return d/2 + rand.N(d/2+1)
}

// Reset forgets the failures.
func (b *Backoff) Reset() { b.next = 0 }

// Sleep waits for d or until ctx is done, whose error it then returns.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
