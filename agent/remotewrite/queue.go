package remotewrite

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue is a bounded first-in, first-out queue of records in memory. Any number of goroutines
// may append; one at a time takes from the front. The record at the front stays in the queue
// until it is replaced, so that nothing is lost between the two.
type queue struct {
	capacity int64

	mu      sync.Mutex
	records []record // records[head:] wait
	head    int
	bytes   int64
	samples int
	held    bool // the front was given out by Peek and must not be dropped
	closed  bool
	filled  chan struct{} // closed and renewed when a record arrives in an empty queue
	drained chan struct{} // closed and renewed when the last record leaves
}

// queueStats is the fill of a queue.
type queueStats struct {
	records int
	bytes   int64
	samples int
	oldest  time.Time // when the record at the front was queued; zero when none is
}

// newQueue returns a queue that holds records of up to capacity bytes altogether.
func newQueue(capacity int64) *queue {
	return &queue{capacity: capacity, filled: make(chan struct{}), drained: make(chan struct{})}
}

// Append puts a record at the end. It never waits: where the bound is exceeded the oldest
// records go, except the one that Peek gave out, and are returned for the books. A closed
// queue returns the new record itself.
func (q *queue) Append(r record) (dropped []record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return []record{r}
	}
	q.records = append(q.records, r)
	q.count(r, 1)
	if len(q.records)-q.head == 1 {
		close(q.filled)
		q.filled = make(chan struct{})
	}
	first := q.head
	if q.held {
		first++
	}
	n := 0
	for q.bytes > q.capacity && first+n < len(q.records) {
		old := q.records[first+n]
		q.count(old, -1)
		dropped = append(dropped, old)
		n++
	}
	q.records = slices.Delete(q.records, first, first+n)
	q.signalDrained()
	return dropped
}

// Peek waits for a record and returns the one at the front, without taking it away. The
// caller then owns the front until it calls Replace. The only error is ctx's.
func (q *queue) Peek(ctx context.Context) (record, error) {
	for {
		q.mu.Lock()
		if q.head < len(q.records) {
			r := q.records[q.head]
			q.held = true
			q.mu.Unlock()
			return r, nil
		}
		filled := q.filled
		q.mu.Unlock()
		select {
		case <-filled:
		case <-ctx.Done():
			return record{}, ctx.Err()
		}
	}
}

// Replace puts records in the place of the one at the front, in their order; none, when it
// is dealt with. The caller goes
// on owning the front, which is the first of them.
func (q *queue) Replace(with ...record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return // drained under a sender that was just stopped
	}
	if q.head == len(q.records) {
		panic("BUG: the queue is empty")
	}
	q.count(q.records[q.head], -1)
	for _, r := range with {
		q.count(r, 1)
	}
	q.held = len(with) > 0
	if q.held {
		q.records = slices.Replace(q.records, q.head, q.head+1, with...)
		return
	}
	q.records[q.head] = record{}
	q.head++
	if q.head > len(q.records)/2 { // amortised: the free part at the front is at most half
		q.records = slices.Delete(q.records, 0, q.head)
		q.head = 0
	}
	q.signalDrained()
}

// Close empties the queue for good and returns what was in it.
func (q *queue) Close() []record {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := slices.Clone(q.records[q.head:])
	q.records, q.head, q.bytes, q.samples, q.held, q.closed = nil, 0, 0, 0, false, true
	q.signalDrained()
	return left
}

// Drained waits until the queue is empty. The only error is ctx's.
func (q *queue) Drained(ctx context.Context) error {
	for {
		q.mu.Lock()
		empty, drained := q.head == len(q.records), q.drained
		q.mu.Unlock()
		if empty {
			return nil
		}
		select {
		case <-drained:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stats returns the fill.
func (q *queue) Stats() queueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := queueStats{records: len(q.records) - q.head, bytes: q.bytes, samples: q.samples}
	if s.records > 0 {
		s.oldest = q.records[q.head].queued
	}
	return s
}

func (q *queue) count(r record, sign int) {
	q.bytes += int64(sign) * r.size()
	q.samples += sign * r.counts.samples()
}

func (q *queue) signalDrained() {
	if q.head == len(q.records) {
		close(q.drained)
		q.drained = make(chan struct{})
	}
}

// Closed says whether Close was called.
func (q *queue) Closed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
