package remotewrite

import (
	"context"
	"slices"
	"time"
)

// ageLimit remembers how old samples were that the receiver called too old, so that a service
// which goes on showing old timestamps does not have every request refused.
type ageLimit struct {
	age   time.Duration
	until time.Time
}

const (
	// A refused age holds for so long; the receiver may have been given a wider window.
	ageHolds = 10 * time.Minute
	// Ages below are not remembered: a receiver that refuses those has a problem with its
	// clock or its data, which says nothing of the next samples.
	minAge = 10 * time.Minute
)

// remember notes that a sample of that time was refused now.
func (l *ageLimit) remember(timeMs int64, now time.Time) {
	if age := now.Sub(time.UnixMilli(timeMs)); age >= minAge {
		*l = ageLimit{age: age, until: now.Add(ageHolds)}
	}
}

// cutoff is the newest time that is refused at present, in milliseconds since the epoch.
func (l *ageLimit) cutoff(now time.Time) (int64, bool) {
	if now.After(l.until) {
		return 0, false
	}
	return now.Add(-l.age).UnixMilli(), true
}

// expireKnown gives up what is older than an age that was refused a while ago, and says
// whether it changed the front of the queue.
func (s *sender) expireKnown(r record) bool {
	cutoff, ok := s.refused.cutoff(time.Now())
	if !ok || r.minMs > cutoff {
		return false
	}
	if r.maxMs <= cutoff {
		s.expired(r.counts)
		s.replace()
		return true
	}
	all, err := decode(r)
	if err != nil {
		s.corrupt(r, err)
		return true
	}
	groups := byTime(all)
	n := slices.IndexFunc(groups, func(g []series) bool { return g[0].span().minMs > cutoff })
	if n < 0 {
		n = len(groups)
	}
	s.expired(sumCounts(slices.Concat(groups[:n]...)))
	s.leave(slices.Concat(groups[n:]...), r)
	return true
}

// expire handles a record of which the receiver says that samples are too old. It looks for
// the newest timestamp that is refused by halving, delivers what is newer and gives up the
// rest. The only error is ctx's; the front of the queue then holds what is not decided.
func (s *sender) expire(ctx context.Context, r record, a answer) error {
	if r.minMs == r.maxMs {
		s.logger.Warn("receiver calls samples too old, giving them up", "err", a.err)
		if err := s.learnAge(ctx, r); err != nil {
			return err
		}
		s.expired(r.counts)
		s.replace()
		return nil
	}
	all, err := decode(r)
	if err != nil {
		s.corrupt(r, err)
		return nil
	}
	groups := byTime(all) // the oldest is refused for sure
	for len(groups) > 1 {
		older, newer := groups[:len(groups)/2], groups[len(groups)/2:]
		part := encodeGroups(newer, r)
		a, err := s.deliver(ctx, part)
		if err != nil {
			return err
		}
		switch a.verdict {
		case delivered:
			s.settle(part, a)
			groups = older
		case tooOld:
			s.expired(sumCounts(slices.Concat(older...)))
			groups = newer
		default: // another matter: to be handled by itself, the older part first
			s.replace(encodeGroups(older, r), part)
			return nil
		}
		s.replace(encodeGroups(groups, r))
	}
	last := groups[0]
	s.logger.Warn("receiver calls samples too old, giving them up", "err", a.err)
	if err := s.learnAge(ctx, encodeGroups(groups[:1], r)); err != nil {
		return err
	}
	s.expired(sumCounts(last))
	s.replace()
	return nil
}

func (s *sender) expired(c counts) { s.drop("too_old", c) }

func encodeGroups(groups [][]series, from record) record {
	return encodeSeries(slices.Concat(groups...), from.message, from.queued)
}
