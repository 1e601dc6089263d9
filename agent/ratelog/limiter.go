package ratelog

import (
	"slices"
	"sync"
	"time"
)

const (
	// maxSubjects bounds the memory of a limiter. A sidecar has far fewer targets and
	// endpoints that could fail.
	maxSubjects = 1024
	// maxKinds bounds the different errors of one subject, for the text of some never
	// repeats: an answer that quotes what was sent.
	maxKinds = 8
)

// limiter remembers what was passed not long ago.
type limiter struct {
	every time.Duration

	mu       sync.Mutex
	subjects map[uint64]*subject
}

// subject is what records are about. Its last kind, if there are more than maxKinds, stands
// for all others.
type subject struct{ kinds []kind }

// kind is one kind of error of a subject.
type kind struct {
	err       uint64
	passed    time.Time // when a record last was
	swallowed uint64    // since then
}

func newLimiter(every time.Duration) *limiter {
	return &limiter{every: every, subjects: map[uint64]*subject{}}
}

// take says whether a record may pass at the time now, and how many like it did not since
// one last did.
func (l *limiter) take(k key, now time.Time) (swallowed uint64, pass bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.subjects[k.subject]
	if s == nil {
		l.makeRoom(now)
		s = &subject{}
		l.subjects[k.subject] = s
	}
	known, isNew := l.kind(s, k.err, now)
	if !isNew && !l.over(known, now) {
		known.swallowed++
		return 0, false
	}
	swallowed = known.swallowed
	known.passed, known.swallowed = now, 0
	return swallowed, true
}

// over says whether the interval of a kind has passed.
func (l *limiter) over(k *kind, now time.Time) bool { return now.Sub(k.passed) >= l.every }

// kind finds the kind of an error, or makes one, in the place of one that is over if need be.
func (l *limiter) kind(s *subject, err uint64, now time.Time) (k *kind, isNew bool) {
	own := s.kinds[:min(len(s.kinds), maxKinds)]
	for i := range own {
		if own[i].err == err {
			return &own[i], false
		}
	}
	if len(own) < maxKinds {
		s.kinds = append(s.kinds, kind{err: err})
		return &s.kinds[len(s.kinds)-1], true
	}
	if i := slices.IndexFunc(own, func(k kind) bool { return l.over(&k, now) }); i >= 0 {
		own[i] = kind{err: err}
		return &own[i], true
	}
	if len(s.kinds) > maxKinds {
		return &s.kinds[maxKinds], false
	}
	s.kinds = append(s.kinds, kind{})
	return &s.kinds[maxKinds], true
}

// makeRoom forgets subjects of which nothing was said for an interval; all, if that is not
// enough.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.subjects) < maxSubjects {
		return
	}
	for h, s := range l.subjects {
		if !slices.ContainsFunc(s.kinds, func(k kind) bool { return !l.over(&k, now) }) {
			delete(l.subjects, h)
		}
	}
	if len(l.subjects) >= maxSubjects {
		clear(l.subjects)
	}
}
