package spool

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"time"
)

// smallPart is up to which size parts of a payload are copied to go in one write with the
// header.
const smallPart = 4 << 10

// Append puts a record at the end, its payload being the parts in their order, which it does
// not keep. It waits for nothing but the file system. What there is no room for is dropped, the
// oldest first, and counted. The only error is ErrClosed.
func (l *Log) Append(kind byte, timeMs int64, weight uint32, parts ...[]byte) error {
	n, sum := 0, uint32(0)
	for _, p := range parts {
		n += len(p)
		sum = crc32.Update(sum, castagnoli, p)
	}
	f := frame{length: uint32(n), kind: kind, weight: weight, timeMs: timeMs, crc: sum}

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	now := time.Now()
	l.expire(now)
	if n > MaxRecord || segmentStart+frameSize+int64(n) > l.limits.MaxBytes {
		l.stats.Dropped[Size].add(f.amount())
		l.logger.Warn("a record is larger than the spool, dropping it", "bytes", n)
		return nil
	}
	l.writeHeld(now)
	if l.dir == "" || l.held.len() > 0 || !l.write(f, parts, now) {
		l.hold(f, parts)
	}
	l.stats.Waiting.add(f.amount())
	l.trimHeld()
	signal(l.filled)
	if l.limits.Sync > 0 && l.dir != "" || l.trouble != nil {
		signal(l.dirty)
	}
	return nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// hold keeps a record in memory.
func (l *Log) hold(f frame, parts [][]byte) { l.held.push(f, parts) }

// trimHeld drops the oldest of what is held, where that is too much.
func (l *Log) trimHeld() {
	for l.held.bytes > l.memory && l.held.len() > 0 {
		l.dropHeld(l.heldReason())
	}
}

// heldReason is why a record in memory has to go.
func (l *Log) heldReason() Reason {
	switch {
	case l.dir == "":
		return Size
	case noRoom(l.trouble):
		return DiskFull
	}
	return DiskError
}

// dropHeld drops the oldest record in memory. l.mu is held, here and below.
func (l *Log) dropHeld(why Reason) {
	r := l.held.front()
	a := r.amount()
	if !l.onDisk() { // it is the front of all
		l.removed++
		a.sub(l.keepPeeked(a))
	}
	l.held.pop()
	l.drop(a, why)
}

// keepPeeked lets the reader keep what has to go at the front, if it is in hand: it waits until
// Advance, but is in the log no more.
func (l *Log) keepPeeked(a Amount) (kept Amount) {
	if !l.peeked || l.lost.Records == l.out.Records {
		return Amount{}
	}
	l.lost.add(a)
	return a
}

func (l *Log) drop(a Amount, why Reason) {
	if a.Records == 0 {
		return
	}
	l.stats.Waiting.sub(a)
	l.stats.Dropped[why].add(a)
	l.logger.Warn("spool drops its oldest records", "reason", why.String(), "records", a.Records, "bytes", a.Bytes)
	l.wakeDrained()
}

// onDisk says whether the front is on disk.
func (l *Log) onDisk() bool {
	for _, s := range l.segments {
		if s.left.Records > 0 {
			return true
		}
	}
	return false
}

// dropSegment drops the oldest segment.
func (l *Log) dropSegment(why Reason) {
	s := l.segments[0]
	if a := s.left; a.Records > 0 {
		l.removed += uint64(a.Records)
		a.sub(l.keepPeeked(l.out)) // all that is in hand is of one segment
		l.drop(a, why)
	}
	// The reader may have it open, and would keep its space; what it reads then is no record,
	// and no longer the front.
	if err := os.Truncate(l.path(s.id), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		l.logger.Warn("truncate spool segment", "err", err)
	}
	l.removeSegment(0)
}

// Free drops the oldest records until so many bytes are free, or nothing is left but what
// Peek gave out. Of files whole segments go.
func (l *Log) Free(bytes int64, why Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	used := func() int64 { return l.stats.DiskBytes + l.held.bytes }
	for goal := used() - bytes; used() > goal; {
		switch {
		case len(l.segments) > 0:
			l.dropSegment(why)
		case l.held.len() > 0:
			l.dropHeld(why)
		default:
			return
		}
	}
}

// trim drops the oldest segments until there is room for so many bytes.
func (l *Log) trim(bytes int64) {
	for l.stats.DiskBytes+bytes > l.limits.MaxBytes && len(l.segments) > 0 {
		l.dropSegment(Size)
	}
}

// removeSegment deletes a file.
func (l *Log) removeSegment(i int) {
	s := l.segments[i]
	// One that cannot be removed is sent again after the next start, which is better than lost.
	if err := os.Remove(l.path(s.id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		l.logger.Warn("remove spool segment", "err", err)
	}
	s.close()
	l.stats.DiskBytes -= s.size
	copy(l.segments[i:], l.segments[i+1:])
	l.segments[len(l.segments)-1] = nil
	l.segments = l.segments[:len(l.segments)-1]
}

// expire drops what is too old: of files only those of which all is.
func (l *Log) expire(now time.Time) {
	if l.limits.MaxAge <= 0 {
		return
	}
	before := now.Add(-l.limits.MaxAge).UnixMilli()
	for len(l.segments) > 0 && l.segments[0].left.Records > 0 && l.segments[0].newest < before {
		l.dropSegment(Age)
	}
	if l.onDisk() {
		return
	}
	for r := l.held.front(); r != nil && r.timeMs < before; r = l.held.front() {
		l.dropHeld(Age)
	}
}

// writeHeld writes what is held in memory, when it is time to try the disk again.
func (l *Log) writeHeld(now time.Time) {
	if l.dir == "" || l.held.len() == 0 || now.Before(l.retryAt) {
		return
	}
	for r := l.held.front(); r != nil; r = l.held.front() {
		if !l.write(r.frame, [][]byte{r.payload}, now) {
			return
		}
		l.held.pop()
	}
}

// write writes a record to the last segment, after making room for it. ok is false when the
// disk does not take it, and then the log is as it was.
func (l *Log) write(f frame, parts [][]byte, now time.Time) (ok bool) {
	l.trim(segmentStart + f.size())
	err := l.writeOnce(f, parts)
	if noRoom(err) && len(l.segments) > 1 && !now.Before(l.spareUntil) {
		l.dropSegment(DiskFull)
		if err = l.writeOnce(f, parts); noRoom(err) {
			// Others fill the disk: nothing is won by dropping all that waits.
			l.spareUntil = now.Add(spareFor)
		}
	}
	if err != nil {
		if l.trouble == nil {
			l.logger.Error("disk takes no records, holding them in memory", "err", err, "bytes", l.memory)
		}
		l.trouble, l.retryAt = err, now.Add(retryDisk)
		return false
	}
	if l.trouble != nil {
		l.logger.Info("disk takes records again")
		l.trouble = nil
	}
	return true
}

func (l *Log) writeOnce(f frame, parts [][]byte) error {
	s, err := l.active(f.size())
	if err != nil {
		return err
	}
	if err := l.writeFrame(s, f, parts); err != nil {
		l.undo(s, err)
		return fmt.Errorf("write spool: %w", err)
	}
	if s.left.Records == 0 {
		s.start, s.oldest = s.size, f.timeMs
	}
	s.size += f.size()
	s.newest = max(s.newest, f.timeMs)
	s.left.add(f.amount())
	l.stats.DiskBytes += f.size()
	if l.limits.Sync == SyncAlways {
		l.syncOne(s)
	}
	return nil
}

// writeFrame writes a record behind the last one.
func (l *Log) writeFrame(s *segment, f frame, parts [][]byte) error {
	l.head = f.append(l.head[:0], s.salt)
	for len(parts) > 0 && len(parts[0]) <= smallPart && len(l.head) <= smallPart {
		l.head = append(l.head, parts[0]...)
		parts = parts[1:]
	}
	off := s.size
	for b := l.head; ; parts = parts[1:] {
		n, err := l.disk.write(s.f, b, off)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
		off += int64(n)
		if len(parts) == 0 {
			return nil
		}
		b = parts[0]
	}
}

// undo cuts off what a failed write has left.
func (l *Log) undo(s *segment, why error) {
	if err := l.disk.truncate(s.f, s.size); err != nil || !noRoom(why) {
		s.sealed = true // something is wrong with this file: the next record goes to another
	}
}

// active returns the segment for a record of so many bytes, and makes one when it is time to.
func (l *Log) active(size int64) (*segment, error) {
	var last *segment
	if n := len(l.segments); n > 0 {
		last = l.segments[n-1]
		if !last.sealed && (last.size == segmentStart || last.size+size <= l.segment) {
			return last, nil
		}
	}
	salt := rand.Uint32()
	name := l.path(l.nextID)
	f, err := l.disk.create(name)
	if err != nil {
		return nil, fmt.Errorf("make spool segment: %w", err)
	}
	if _, err := l.disk.write(f, appendSegmentHeader(nil, salt), 0); err != nil {
		f.Close()
		_ = os.Remove(name)
		return nil, fmt.Errorf("make spool segment: %w", err)
	}
	if last != nil {
		last.sealed = true
		if last.left.Records == 0 {
			l.removeSegment(len(l.segments) - 1)
		} else if l.limits.Sync <= 0 || last.synced == last.size {
			last.close()
		}
	}
	s := &segment{id: l.nextID, salt: salt, size: segmentStart, start: segmentStart, f: f}
	l.nextID++
	l.segments = append(l.segments, s)
	l.stats.DiskBytes += s.size
	l.newNames = true
	return s, nil
}
