package remotewrite

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"outrider/agent/backoff"
	"outrider/agent/spool"
)

// freshFor is how long a request is fresh, where fresh ones go first.
const freshFor = 30 * time.Second

// readAgain is the wait after a spool could not be read.
const readAgain = time.Second

// queue is what waits for one sender: a log, and in memory the parts that the record at its
// front was taken apart into. Any number of goroutines may append; one at a time takes from the
// front. The record at the front stays in the log until all of its parts are dealt with, so
// that a crash repeats it and loses nothing.
//
// Where fresh requests go first there are two logs: what is no longer fresh moves from the
// first to the one behind it, which is read while the first is empty.
type queue struct {
	logger *slog.Logger
	log    *ledger
	behind *ledger   // nil: in order
	logs   []*ledger // both, or the one; the older records first

	heads sync.Mutex // for head
	head  []byte

	mu     sync.Mutex
	parts  []record // of the front; empty before Peek
	from   *ledger  // where the front is
	whole  int      // samples of the front, as the log knows it
	intact bool     // parts is the front as it is in the log
}

// ledger is a log with what of its books was taken over.
type ledger struct {
	*spool.Log
	seen spool.Stats // guarded by endpoint.books
}

// queueStats is the fill of a queue.
type queueStats struct {
	records int
	bytes   int64 // of what waits
	used    int64 // of the bound
	samples int
	oldest  time.Time // when the record at the front was queued; zero when none is
	failing bool      // the disk does not take all that it should
}

func (s *queueStats) add(o queueStats) {
	s.records += o.records
	s.bytes += o.bytes
	s.used += o.used
	s.samples += o.samples
	s.failing = s.failing || o.failing
	if s.oldest.IsZero() || !o.oldest.IsZero() && o.oldest.Before(s.oldest) {
		s.oldest = o.oldest
	}
}

// newQueue returns a queue over logs; behind is nil where the order is kept.
func newQueue(log, behind *spool.Log, logger *slog.Logger) *queue {
	q := &queue{logger: logger, log: &ledger{Log: log}}
	if behind != nil {
		q.behind = &ledger{Log: behind}
		q.logs = append(q.logs, q.behind)
	}
	q.logs = append(q.logs, q.log)
	return q
}

// Append puts a copy of a record at the end. It waits for nothing but the file system. The
// only error is spool.ErrClosed.
func (q *queue) Append(r record) error { return q.appendTo(q.log, r) }

func (q *queue) appendTo(l *ledger, r record) error {
	q.heads.Lock()
	defer q.heads.Unlock()
	q.head = r.appendHead(q.head[:0])
	return l.Append(byte(r.message), r.queued.UnixMilli(), uint32(r.counts.samples()), q.head, r.data)
}

// Peek waits for a record and returns the one at the front, without taking it away. Its data
// is valid until Replace. The only errors are ctx's and spool.ErrClosed.
func (q *queue) Peek(ctx context.Context) (record, error) {
	for {
		q.mu.Lock()
		if len(q.parts) > 0 {
			r := q.parts[0]
			q.mu.Unlock()
			return r, nil
		}
		q.mu.Unlock()
		from, raw, err := q.next(ctx)
		if ctx.Err() != nil || errors.Is(err, spool.ErrClosed) {
			return record{}, cmp.Or(err, ctx.Err())
		}
		if err != nil { // too many open files, for one
			q.logger.Error("spool cannot be read, trying again", "err", err)
			if err := backoff.Sleep(ctx, readAgain); err != nil {
				return record{}, err
			}
			continue
		}
		r, err := readRecord(raw)
		if err != nil { // in good order, so of a version that knows more
			q.logger.Error("queued request cannot be read, dropping it", "err", err, "samples", raw.Weight)
			from.Reject()
			continue
		}
		q.mu.Lock()
		q.parts, q.from, q.whole, q.intact = append(q.parts[:0], r), from, r.counts.samples(), true
		q.mu.Unlock()
	}
}

// Intact says whether Peek returns a record as it is in the log, and no part of one.
func (q *queue) Intact() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.intact
}

// PeekMore returns the record behind those in hand, which are the front and what Include has
// added. The front must be intact. The data is valid until the next PeekMore.
func (q *queue) PeekMore() (record, bool) {
	raw, ok := q.from.PeekMore()
	if !ok {
		return record{}, false
	}
	r, err := readRecord(raw)
	return r, err == nil
}

// Include takes the record that PeekMore returned in hand: the next Replace takes all away, with
// nothing in their place. It is false when the record is gone.
func (q *queue) Include() bool { return q.from.Include() }

// Narrow leaves only the front in hand.
func (q *queue) Narrow() { q.from.Narrow() }

// next waits for a record in the logs.
func (q *queue) next(ctx context.Context) (*ledger, spool.Record, error) {
	if q.behind == nil {
		r, err := q.log.Peek(ctx)
		return q.log, r, err
	}
	for {
		r, ok, err := q.log.TryPeek()
		if err != nil {
			return nil, spool.Record{}, err
		}
		if ok && time.Since(time.UnixMilli(r.TimeMs)) <= freshFor {
			return q.log, r, nil
		}
		if ok {
			if err := q.behind.Append(r.Kind, r.TimeMs, r.Weight, r.Payload); err != nil {
				return nil, spool.Record{}, err
			}
			q.log.Advance()
			continue
		}
		if r, ok, err := q.behind.TryPeek(); ok || err != nil {
			return q.behind, r, err
		}
		if _, err := q.log.Peek(ctx); err != nil {
			return nil, spool.Record{}, err
		}
	}
}

// Replace puts records in the place of the one at the front, in their order; none, when it is
// dealt with.
func (q *queue) Replace(with ...record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.parts) == 0:
		panic("BUG: nothing is at the front")
	case len(with) == 0 && len(q.parts) > 1:
		q.parts = slices.Delete(q.parts, 0, 1)
	case len(with) == 0:
		q.parts[0] = record{}
		q.parts, q.whole, q.intact = q.parts[:0], 0, false
		q.from.Advance()
	default:
		q.intact = false
		for i := range with {
			with[i].target = q.parts[0].target
		}
		q.parts = append(with, q.parts[1:]...)
	}
}

// dealt is how many samples of the front are dealt with already. q.mu is held.
func (q *queue) dealt() int {
	n := q.whole
	for i := range q.parts {
		n -= q.parts[i].counts.samples()
	}
	return n
}

// inherit goes on with the front of another queue over the same log, and says whether it could:
// the front may be in the log behind.
func (q *queue) inherit(from *queue) bool {
	from.mu.Lock()
	defer from.mu.Unlock()
	if len(from.parts) > 0 && from.from.Log != q.log.Log {
		return false
	}
	q.parts, q.from, q.whole = from.parts, q.log, from.whole
	return true
}

// takeApart gives the parts of a front that was begun to put, and takes it away.
func (q *queue) takeApart(put func(record)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.parts) == 0 {
		return
	}
	for _, r := range q.parts {
		put(r)
	}
	q.parts, q.whole = nil, 0
	q.from.Advance()
}

// Drained waits until the queue is empty. The only errors are ctx's and spool.ErrClosed.
func (q *queue) Drained(ctx context.Context) error {
	for {
		for _, l := range q.logs {
			if err := l.Drained(ctx); err != nil {
				return err
			}
		}
		if q.Stats().records == 0 { // nothing has moved from one to the other meanwhile
			return nil
		}
	}
}

// Stats returns the fill.
func (q *queue) Stats() queueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := queueStats{samples: -q.dealt()}
	for _, l := range q.logs {
		s := l.Stats()
		out.add(queueStats{
			records: int(s.Waiting.Records),
			bytes:   s.Waiting.Bytes,
			used:    s.Used,
			samples: int(s.Waiting.Weight),
			oldest:  s.Oldest,
			failing: s.DiskFailing,
		})
	}
	return out
}

// Close closes the logs.
func (q *queue) Close() error {
	var errs []error
	for _, l := range q.logs {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
