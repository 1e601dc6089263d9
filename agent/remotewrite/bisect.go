package remotewrite

import (
	"context"
	"time"

	"outrider/agent/backoff"
)

// maxBisect is how many requests one record may cost in which the receiver refuses
// something, the first one included. Finding one series among 10,000 takes 16.
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
	b := bisection{all: all, hi: len(all), mid: s.suspects.last(all, time.Now())}
	for budget := maxBisect - 1; ; budget-- {
		if b.hi-b.lo == 1 {
			s.suspects.add(&b.all[b.lo], time.Now())
			s.isolate(b.all[b.lo:b.hi], r, a)
			b.lo = b.hi
			s.leave(b.all[b.lo:], r)
		}
		if b.lo == len(b.all) {
			return nil
		}
		ok, err := s.mayBisect(ctx, budget)
		if err != nil {
			return err
		}
		if !ok {
			s.isolate(b.all[b.lo:], r, a)
			s.leave(nil, r)
			return nil
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

// mayBisect waits until another request of a bisection may be sent, and says whether it may
// at all. With a queue more than half full there is no time for waiting.
func (s *sender) mayBisect(ctx context.Context, budget int) (bool, error) {
	for budget > 0 {
		d := s.pace.take(time.Now())
		if d == 0 {
			return true, nil
		}
		if s.queue.Crowded() {
			return false, nil
		}
		if err := backoff.Sleep(ctx, d); err != nil {
			return false, err
		}
	}
	return false, nil
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

// suspects remembers series that were refused by themselves. They are tried apart from the
// others the next time, for a series that is refused once is often refused with each scrape.
type suspects struct {
	since map[string]time.Time
}

const (
	maxSuspects = 1000
	suspectFor  = time.Hour
)

func (x *suspects) add(s *series, now time.Time) {
	if x.since == nil {
		x.since = make(map[string]time.Time)
	}
	for k, t := range x.since {
		if now.Sub(t) > suspectFor {
			delete(x.since, k)
		}
	}
	if len(x.since) < maxSuspects {
		x.since[s.String()] = now
	}
}

// last moves the suspects among all to the end and returns where to divide all at first: in
// front of them, or in the middle where there are none.
func (x *suspects) last(all []series, now time.Time) int {
	var good, bad []series
	for i := range all {
		if t, ok := x.since[all[i].String()]; ok && now.Sub(t) <= suspectFor {
			bad = append(bad, all[i])
		} else {
			good = append(good, all[i])
		}
	}
	if len(good) == 0 || len(bad) == 0 {
		return len(all) / 2
	}
	copy(all, good)
	copy(all[len(good):], bad)
	return len(good)
}
