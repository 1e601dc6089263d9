package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Record is what Peek returns. Its payload is valid until Advance.
type Record struct {
	Kind    byte
	TimeMs  int64 // when it was queued, milliseconds since the epoch
	Weight  uint32
	Payload []byte
}

// reader is what the goroutine that peeks knows.
type reader struct {
	f    *os.File
	id   uint64 // of the segment that is open
	scan *scanner
	buf  []byte

	given    Record // the front that was given out
	firstEnd int64  // where it ends in its segment; 0: it was held in memory
	end      int64  // where all that is in hand ends

	more more
}

// Peek waits for a record and returns the one at the front, which stays there until Advance
// and is the one that every Peek returns until then. It is never dropped: where its place has
// to go for want of room or for its age, the reader still has it, though a restart loses it.
// The error is ctx's, ErrClosed, or that a file cannot be opened at present, for want of
// descriptors or memory: then nothing is lost, and it is to be tried again in a while.
func (l *Log) Peek(ctx context.Context) (Record, error) {
	for {
		r, ok, err := l.peek(time.Now())
		if ok || err != nil {
			return r, err
		}
		select {
		case <-l.filled:
		case <-l.ended:
		case <-ctx.Done():
			return Record{}, ctx.Err()
		}
	}
}

// TryPeek is Peek without the wait; ok is false when nothing waits.
func (l *Log) TryPeek() (r Record, ok bool, err error) { return l.peek(time.Now()) }

// peek returns the front if there is one, after skipping what is damaged or too old.
func (l *Log) peek(now time.Time) (r Record, ok bool, err error) {
	rd := &l.reader
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return Record{}, false, ErrClosed
		}
		if l.peeked {
			l.mu.Unlock()
			return rd.given, true, nil
		}
		l.expire(now)
		i := l.frontSegment()
		if i < 0 {
			if h := l.held.front(); h != nil {
				ok = true
				l.give(h.frame, h.payload, 0)
			}
			l.mu.Unlock()
			return rd.given, ok, nil
		}
		s := l.segments[i]
		id, salt, start, size, number := s.id, s.salt, s.start, s.size, l.removed
		maxAge := l.limits.MaxAge
		l.mu.Unlock()

		// The file is read without the lock: it may be dropped meanwhile, but not changed.
		if err := l.openFront(id, salt); errors.Is(err, os.ErrNotExist) {
			l.giveUp(number, id, err) // if it is not that it was dropped meanwhile
			continue
		} else if err != nil {
			return Record{}, false, fmt.Errorf("open spool segment: %w", err)
		}
		rd.scan.size = size
		f, at, found, err := rd.scan.next(start)
		if err != nil || !found {
			l.giveUp(number, id, err)
			continue
		}
		var good bool
		rd.buf, good, err = rd.scan.payload(f, at, rd.buf)
		end := at + f.size()
		switch {
		case err != nil || !good:
			l.logger.Error("a record in the spool is damaged, skipping it", "file", l.path(id), "offset", at, "bytes", f.size())
			l.leave(number, id, f, end, Damaged)
		case maxAge > 0 && f.timeMs < now.Add(-maxAge).UnixMilli():
			l.leave(number, id, f, end, Age)
		case l.found(number, id, f, end):
			return rd.given, true, nil
		}
	}
}

// frontSegment returns the index of the segment that holds the front, or -1.
func (l *Log) frontSegment() int {
	for i, s := range l.segments {
		if s.left.Records > 0 {
			return i
		}
	}
	return -1
}

// openFront opens a segment to be read, if it is not the one that is open.
func (l *Log) openFront(id uint64, salt uint32) error {
	rd := &l.reader
	if rd.f != nil && rd.id == id {
		return nil
	}
	rd.close()
	f, err := l.disk.open(l.path(id))
	if err != nil {
		return err
	}
	rd.f, rd.id = f, id
	rd.scan = &scanner{r: f, salt: salt}
	return nil
}

func (rd *reader) close() {
	if rd.f != nil {
		rd.f.Close()
		rd.f = nil
	}
}

// front returns the segment of that number if its front is still that record.
func (l *Log) front(number, id uint64) *segment {
	if l.closed || l.removed != number {
		return nil
	}
	if i := l.frontSegment(); i >= 0 && l.segments[i].id == id {
		return l.segments[i]
	}
	return nil
}

// found gives out the front that was read, if it is still there.
func (l *Log) found(number, id uint64, f frame, end int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.front(number, id)
	if s == nil {
		return false
	}
	s.oldest = f.timeMs
	l.give(f, l.reader.buf, end)
	return true
}

// give takes note of what is given out.
func (l *Log) give(f frame, payload []byte, end int64) {
	l.peeked, l.out, l.first = true, f.amount(), f.amount()
	l.reader.given = Record{f.kind, f.timeMs, f.weight, payload}
	l.reader.end, l.reader.firstEnd = end, end
}

// leave passes over the front of a segment.
func (l *Log) leave(number, id uint64, f frame, end int64, why Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.front(number, id); s != nil {
		l.stats.Dropped[why].add(f.amount())
		l.pass(s, f.amount(), end)
	}
}

// giveUp drops the rest of a segment in which no record can be found.
func (l *Log) giveUp(number, id uint64, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.front(number, id)
	if s == nil {
		return // it was dropped meanwhile
	}
	if why == nil {
		why = errors.New("no record found")
	}
	l.logger.Error("the rest of a spool segment is damaged, skipping it", "file", l.path(id), "offset", s.start, "records", s.left.Records, "err", why)
	l.stats.Dropped[Damaged].add(s.left)
	l.stats.Waiting.sub(s.left)
	l.removed += uint64(s.left.Records)
	s.left = Amount{}
	for i, o := range l.segments {
		if o == s {
			l.removeSegment(i)
			break
		}
	}
	l.wakeDrained()
}

// Advance takes away the record that the last Peek returned, and those that Include has added
// to it: they are dealt with.
func (l *Log) Advance() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance()
}

// Reject takes away the record that the last Peek returned, and counts it as damaged.
func (l *Log) Reject() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Dropped[Damaged].add(l.out)
	l.advance()
}

func (l *Log) advance() {
	rd := &l.reader
	if l.closed {
		return
	}
	if !l.peeked {
		panic("BUG: Advance without Peek")
	}
	if cap(rd.buf) > keptBuffer {
		rd.buf = nil
	}
	if l.out.Records == 1 && cap(rd.more.buf) > keptMore {
		rd.more.buf = nil
	}
	rd.given, rd.more.amount = Record{}, Amount{}
	lost := l.lost.Records
	l.peeked, l.lost = false, Amount{}
	i := l.frontSegment()
	switch {
	case lost == l.out.Records:
		l.stats.Waiting.sub(l.out)
		l.wakeDrained()
	case i >= 0:
		s := l.segments[i]
		if rd.end == 0 { // it has moved to the disk since
			rd.end = s.start + l.out.Bytes
		}
		l.pass(s, l.out, rd.end)
		if len(l.segments) == i || l.segments[i] != s {
			rd.close() // it is deleted, and only now its space is free
		}
	default:
		for ; lost < l.out.Records; lost++ {
			l.removed++
			l.held.recycle()
		}
		l.stats.Waiting.sub(l.out)
		l.wakeDrained()
	}
}

// pass moves the front of a segment, and with it the cursor, behind records.
func (l *Log) pass(s *segment, a Amount, end int64) {
	l.removed += uint64(a.Records)
	l.stats.Waiting.sub(a)
	s.left.sub(a)
	s.start = end
	if err := l.cursor.set(position{s.id, end}, &l.disk); err != nil {
		if !l.cursorFails {
			l.logger.Error("position in the spool cannot be written, a restart would send records again", "err", err)
		}
		l.cursorFails = true
	} else {
		l.cursorFails = false
	}
	if s.left.Records > 0 {
		return
	}
	// Bytes of a file that is deleted within seconds never reach the disk.
	last := len(l.segments) - 1
	for i := 0; i <= last; i++ {
		if o := l.segments[i]; o == s && (i < last || s.sealed || s.size > startOver) {
			l.removeSegment(i)
			break
		}
	}
	l.wakeDrained()
}

// Drained waits until nothing waits. The error is ctx's or ErrClosed.
func (l *Log) Drained(ctx context.Context) error {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return ErrClosed
		}
		if l.stats.Waiting.Records == 0 {
			l.mu.Unlock()
			return nil
		}
		if l.drained == nil {
			l.drained = make(chan struct{})
		}
		drained := l.drained
		l.mu.Unlock()
		select {
		case <-drained:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wakeDrained wakes who waits in Drained, if there is reason to look.
func (l *Log) wakeDrained() {
	if l.drained != nil && (l.stats.Waiting.Records == 0 || l.closed) {
		close(l.drained)
		l.drained = nil
	}
}
