package remotewrite

import (
	"context"
	"time"

	"outrider/agent/backoff"
)

// maxBisect is how many requests one record may cost in which the receiver refuses
// something, the first one included. Finding one series among 20,000 takes 17.
const maxBisect = 24

// bisection is a search for the series that the receiver refuses.
type bisection struct {
	all []series // what is not decided yet is all[lo:]
	lo  int
	hi  int // all[lo:hi] is refused as a whole; all[hi:] was not tried by itself
	mid int // where to divide all[lo:hi]
}

// next says which part to try. The last request goes to what was not tried, of which most
// should be good.
func (b *bisection) next(last bool) (from, to int) {
	if b.lo == b.hi || last && b.hi < len(b.all) {
		return b.hi, len(b.all)
	}
	return b.lo, b.mid
}

// accepted takes note of a part that was delivered.
func (b *bisection) accepted(from, to int) {
	if from == b.lo {
		b.lo = to
	} else {
		b.all = b.all[:from] // all that comes behind the refused part
	}
	b.hi = max(b.lo, b.hi)
	b.mid = b.lo + (b.hi-b.lo)/2
}

// declined takes note of a part that was refused.
func (b *bisection) declined(to int) {
	b.hi = to
	b.mid = b.lo + (b.hi-b.lo)/2
}

// bisect finds the series that the receiver refuses, puts them in quarantine and delivers the
// others. What it has not found out after so many requests goes into quarantine as well: that
// is a single series, a few around one, or a record of which every part was refused. The only
// error is ctx's; the front of the queue then holds what is not decided.
func (s *sender) bisect(ctx context.Context, r record, a answer) error {
	all, err := decode(r)
	if err != nil {
		s.corrupt(r, err)
		return nil
	}
	s.metrics.bisections.Inc()
	isolate := s.isolate
	if r.retry {
		isolate = s.isolateSuspects
	}
	b := bisection{all: all, hi: len(all), mid: len(all) / 2}
	for budget := maxBisect - 1; ; budget-- {
		if b.hi-b.lo == 1 {
			s.suspects.add(&b.all[b.lo], a.err, time.Now())
			isolate(b.all[b.lo:b.hi], r, a.err)
			b.lo = b.hi
			s.leave(b.all[b.lo:], r)
		}
		if b.lo == len(b.all) {
			return nil
		}
		if budget == 0 {
			s.suspects.again(b.all[b.lo:], a.err, time.Now())
			isolate(b.all[b.lo:], r, a.err)
			s.leave(nil, r)
			return nil
		}
		if err := s.awaitPace(ctx); err != nil {
			return err
		}
		from, to := b.next(budget == 1)
		part := encodeSeries(b.all[from:to], r.message, r.queued)
		got, err := s.deliver(ctx, part)
		if err != nil {
			return err
		}
		switch got.verdict {
		case delivered:
			s.settle(part, got)
			s.suspects.clear(b.all[from:to])
			b.accepted(from, to)
			s.leave(b.all[b.lo:], r)
		case poison:
			a = got
			b.declined(to)
		default: // another matter: to be handled by itself
			if from > b.lo {
				s.replace(encodeSeries(b.all[b.lo:from], r.message, r.queued), part)
			} else if to < len(b.all) {
				s.replace(part, encodeSeries(b.all[to:], r.message, r.queued))
			}
			return nil
		}
	}
}

// leave lets only undecided series stay at the front of the queue.
func (s *sender) leave(undecided []series, from record) {
	if len(undecided) == 0 {
		s.replace()
		return
	}
	s.replace(encodeSeries(undecided, from.message, from.queued))
}

// awaitPace waits until another request of a bisection may be sent, however full the queue
// is: it drops the oldest, which is no worse than to give up what nobody has looked at. The
// only error is ctx's.
func (s *sender) awaitPace(ctx context.Context) error {
	for {
		d := s.pace.take(time.Now())
		if d == 0 {
			return nil
		}
		if err := backoff.Sleep(ctx, d); err != nil {
			return err
		}
	}
}

// pace is a token bucket.
type pace struct {
	every time.Duration
	burst int

	tokens float64
	last   time.Time // zero before the first
}

// take takes a token, or says how long it is until there is one.
func (p *pace) take(now time.Time) time.Duration {
	if p.last.IsZero() {
		p.tokens = float64(p.burst)
	} else {
		p.tokens = min(float64(p.burst), p.tokens+float64(now.Sub(p.last))/float64(p.every))
	}
	p.last = now
	if p.tokens >= 1 {
		p.tokens--
		return 0
	}
	return max(time.Microsecond, time.Duration((1-p.tokens)*float64(p.every)))
}
