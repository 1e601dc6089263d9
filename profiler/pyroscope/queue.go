package pyroscope

import (
	"context"
	"slices"
	"sync"
	"time"

	"outrider/agent/backoff"
	"outrider/telemetry"
)

// item is a profile that waits for an endpoint. What is below taken belongs to the queue
// while the item waits, and to the sender that took it until it is given back.
type item struct {
	head    []byte // of the request; the profile's data is the rest
	profile *telemetry.Profile
	taken   bool

	tries     int
	strikes   int       // answers that blame this very profile
	nextCount time.Time // such an answer is a strike from then on
	notBefore time.Time // when to try again
}

// strike takes note of an answer that blames the profile, and returns how long to wait then:
// twice unit after the first strike, and twice as long after each more. A profile that
// somebody in a hurry had tried before that time is not blamed again, for strikes tell a
// broken profile from a server that starts or stops only by the time between them.
func (it *item) strike(now time.Time, unit time.Duration) (wait time.Duration, out bool) {
	if wait := it.nextCount.Sub(now); wait > 0 {
		return wait, false
	}
	it.strikes++
	wait = unit << it.strikes
	it.nextCount = now.Add(wait)
	return wait, it.strikes >= maxStrikes
}

func (it *item) size() int64 { return int64(len(it.head) + len(it.profile.Data)) }

// queue is a bounded queue of profiles in memory, for any number of senders. It also
// knows when the endpoint may be asked: while that is failing, one profile at a time is
// given out, each time another one, so that no profile can hold up the rest.
type queue struct {
	capacity int64
	maxAge   time.Duration
	// lost is told of each profile that the queue drops of itself, and filled of each change
	// of its fill. Both are called with mu held.
	lost   func(it *item, reason string)
	filled func(queueStats)

	mu       sync.Mutex
	items    []*item // oldest first, those taken included
	bytes    int64
	inFlight int
	closed   bool
	changed  chan struct{} // closed and renewed when there may be something to do

	// failing is set until the endpoint has taken notice of a profile, at first and after
	// each failure of its own.
	failing bool
	backoff backoff.Backoff
	resume  time.Time // no request before
	asked   time.Time // as long as the server itself asked for; not to be cut short
}

// queueStats is the fill of a queue.
type queueStats struct {
	items  int
	bytes  int64
	oldest time.Time // of the profile; zero when none waits
}

func newQueue(capacity int64, lost func(*item, string), filled func(queueStats)) *queue {
	return &queue{
		capacity: capacity,
		maxAge:   maxAge,
		lost:     lost,
		filled:   filled,
		changed:  make(chan struct{}),
		failing:  true,
		backoff:  backoff.Backoff{Min: retryMin, Max: retryMax},
	}
}

// put adds a profile, and drops the oldest where that exceeds the bound.
func (q *queue) put(it *item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.lost(it, lostEndpointRemoved)
		return
	}
	q.items = append(q.items, it)
	q.bytes += it.size()
	for q.bytes > q.capacity {
		i := slices.IndexFunc(q.items, func(it *item) bool { return !it.taken })
		if i < 0 {
			break // a few in flight are over the bound
		}
		q.drop(i, lostQueueFull)
	}
	q.notify()
}

// take waits for a profile that may be sent now. The caller must give it back by done,
// retry, fail or release. The only error is ctx's.
func (q *queue) take(ctx context.Context) (*item, error) {
	for ctx.Err() == nil {
		q.mu.Lock()
		it, wait := q.next(time.Now())
		if it != nil {
			it.taken = true
			q.inFlight++
			q.mu.Unlock()
			return it, nil
		}
		changed := q.changed
		q.mu.Unlock()
		await(ctx, changed, wait)
	}
	return nil, ctx.Err()
}

// await returns when something changed or, unless it is zero, after wait.
func await(ctx context.Context, changed <-chan struct{}, wait time.Duration) {
	var timer <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-changed:
	case <-timer:
	case <-ctx.Done():
	}
}

// next returns the profile to be sent now: of those with the fewest tries the oldest. If
// there is none, it returns how long it is until there may be, or zero if only a change
// can tell.
func (q *queue) next(now time.Time) (*item, time.Duration) {
	q.expire(now)
	if q.failing && q.inFlight > 0 {
		return nil, 0
	}
	if wait := q.resume.Sub(now); wait > 0 && len(q.items) > 0 {
		return nil, wait
	}
	var best *item
	var wait time.Duration
	for _, it := range q.items {
		if it.taken {
			continue
		}
		if w := it.notBefore.Sub(now); w > 0 {
			if wait == 0 || w < wait {
				wait = w
			}
			continue
		}
		if best == nil || it.tries < best.tries {
			best = it
		}
	}
	return best, wait
}

// expire drops what the server would not take any more.
func (q *queue) expire(now time.Time) {
	before := len(q.items)
	for i := 0; i < len(q.items); {
		if it := q.items[i]; !it.taken && now.Sub(it.profile.Time) > q.maxAge {
			q.drop(i, lostExpired)
			continue
		}
		i++
	}
	if len(q.items) < before {
		q.notify()
	}
}

// done takes a profile out that is dealt with: delivered, or refused for good.
func (q *queue) done(it *item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.answered()
	i := slices.Index(q.items, it)
	if i < 0 {
		panic("BUG: a profile in flight is not in the queue")
	}
	q.items = slices.Delete(q.items, i, i+1)
	q.bytes -= it.size()
	q.inFlight--
	q.notify()
}

// retry keeps a profile that the endpoint did not take, for reasons of the profile's own,
// for a while. Others are not held up.
func (q *queue) retry(it *item, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.answered()
	it.tries++
	it.notBefore = time.Now().Add(wait)
	q.back(it)
}

// fail keeps a profile that the endpoint did not take for reasons of its own, and lets the
// endpoint rest: for as long as its backoff says, but at least for atLeast. It returns how
// long that is.
func (q *queue) fail(it *item, atLeast time.Duration, asked bool) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	it.tries++
	now := time.Now()
	// Those in flight that fail with it are the same failure.
	if !q.failing || !now.Before(q.resume) {
		q.resume = now.Add(q.backoff.Next())
	}
	if t := now.Add(atLeast); t.After(q.resume) {
		q.resume = t
	}
	if t := now.Add(atLeast); asked && t.After(q.asked) {
		q.asked = t
	}
	q.failing = true
	q.back(it)
	return q.resume.Sub(now)
}

// release gives a profile back as it was.
func (q *queue) release(it *item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.back(it)
}

// hurry cuts all waits short, save those that the server asked for of all profiles.
func (q *queue) hurry() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.resume.After(q.asked) {
		q.resume = q.asked
	}
	for _, it := range q.items {
		it.notBefore = time.Time{}
	}
	q.notify()
}

// reset forgets the failures of the endpoint: its settings have changed.
func (q *queue) reset() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failing, q.resume, q.asked = true, time.Time{}, time.Time{}
	q.backoff.Reset()
	q.notify()
}

// close empties the queue for good. No sender may hold a profile.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for len(q.items) > 0 {
		q.drop(0, lostEndpointRemoved)
	}
	q.notify()
}

// stats returns the fill, and a channel that is closed when it changes.
func (q *queue) stats() (queueStats, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fill(), q.changed
}

// What follows wants mu held.

// answered notes that the endpoint takes notice of what it is sent.
func (q *queue) answered() {
	q.failing, q.resume, q.asked = false, time.Time{}, time.Time{}
	q.backoff.Reset()
}

func (q *queue) back(it *item) {
	it.taken = false
	q.inFlight--
	q.notify()
}

func (q *queue) drop(i int, reason string) {
	it := q.items[i]
	q.items = slices.Delete(q.items, i, i+1)
	q.bytes -= it.size()
	q.lost(it, reason)
}

func (q *queue) fill() queueStats {
	s := queueStats{items: len(q.items), bytes: q.bytes}
	if len(q.items) > 0 {
		s.oldest = q.items[0].profile.Time
	}
	return s
}

func (q *queue) notify() {
	close(q.changed)
	q.changed = make(chan struct{})
	q.filled(q.fill())
}
