package remotewrite

import (
	"context"
	"encoding/binary"
	"slices"
	"time"
)

// batch joins records of 1.0 to one request. A protobuf message is the concatenation of its
// series, and the elements of a snappy block copy from what they have made themselves, at a
// distance. So blocks one behind another, with the sum of their lengths in front, are messages
// one behind another.
type batch struct {
	buf     []byte   // reused
	size    int      // uncompressed
	n       int      // records
	all     record   // their counts and times
	targets []uint64 // of the records
}

const (
	maxBatch  = 100       // records
	keptBatch = 256 << 10 // a larger buffer is not kept while nothing is joined

	lengthRoom = binary.MaxVarintLen32 // for the length, which is known at the end
)

func (b *batch) begin() {
	b.buf, b.size, b.n, b.all, b.targets = b.buf[:0], 0, 0, record{}, b.targets[:0]
}

// fits says whether a record can be joined to those that are there. No target is in a request
// twice: when nobody knows whether that was stored, all of it is sent again, and a receiver that
// takes nothing out of order has to find no sample in it older than the newest of its series.
func (b *batch) fits(r record, lim limits) bool {
	size, n := binary.Uvarint(r.data)
	return r.message == v1 && n > 0 && size <= uint64(lim.bytes) && b.size+int(size) <= lim.bytes &&
		b.all.counts.samples()+r.counts.samples() <= lim.samples && !slices.Contains(b.targets, r.target)
}

// count takes note of a record that fits.
func (b *batch) count(r record) {
	size, _ := binary.Uvarint(r.data)
	b.size += int(size)
	b.targets = append(b.targets, r.target)
	if b.n++; b.n == 1 {
		b.all = r
		return
	}
	b.all.counts.add(r.counts)
	b.all.minMs, b.all.maxMs = min(b.all.minMs, r.minMs), max(b.all.maxMs, r.maxMs)
}

// write puts the elements of a record behind the others.
func (b *batch) write(r record) {
	if len(b.buf) == 0 {
		b.buf = slices.Grow(b.buf, lengthRoom)[:lengthRoom]
	}
	_, n := binary.Uvarint(r.data)
	b.buf = append(b.buf, r.data[n:]...)
}

// record makes one of all. Its data is valid until the next write.
func (b *batch) record() record {
	var head [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(head[:], uint64(b.size))
	copy(b.buf[lengthRoom-n:], head[:n])
	b.all.data = b.buf[lengthRoom-n:]
	return b.all
}

// joining is how many records a sender joins. It begins with one and doubles with what is
// delivered, so that the first answer to a backlog, which may be that it is too old, concerns a
// single record. What was refused together goes on one by one, and more of them each time that
// comes to nothing.
type joining struct {
	most    int // records in a request; 0 is 1
	alone   int // records that have to go by themselves first
	refusal int // how many that were at the last refusal; 0 when joined ones were delivered since
}

func (j *joining) delivered(n int) {
	if n > 1 {
		j.refusal = 0
	}
	if j.alone == 0 && n >= j.most {
		j.most = min(2*max(j.most, 1), maxBatch)
	}
}

func (j *joining) refused(n int) {
	j.refusal = max(n, min(2*j.refusal, maxBatch))
	j.most, j.alone = 1, j.refusal
}

// join takes what waits behind the record at the front in hand as well, and makes one request of
// it. It is false where the record has to go by itself: others do not wait, or something may be
// wrong with it, for which it would have to be taken apart.
func (s *sender) join(front record) (all record, ok bool) {
	b := &s.batch
	b.begin()
	if s.joining.alone > 0 && s.queue.Intact() {
		s.joining.alone--
	} else if lim := s.limits(); s.queue.Intact() && len(s.suspects.known) == 0 && b.fits(front, lim) {
		cutoff, known := s.refused.cutoff(time.Now())
		b.count(front)
		for b.n < s.joining.most {
			next, ok := s.queue.PeekMore()
			if !ok || known && next.minMs <= cutoff || !b.fits(next, lim) || !s.queue.Include() {
				break
			}
			if b.n == 1 {
				b.write(front)
			}
			b.count(next)
			b.write(next)
		}
	}
	if b.n > 1 {
		return b.record(), true
	}
	if cap(b.buf) > keptBatch {
		b.buf = nil
	}
	return record{}, false
}

// handleJoined delivers records that were joined. Where the answer is another one, each of them
// is handled by itself. The only error is ctx's.
func (s *sender) handleJoined(ctx context.Context, all record) error {
	a, err := s.deliver(ctx, all)
	if err != nil {
		s.takeApart()
		return err
	}
	if a.verdict == delivered {
		s.settle(all, a)
		s.enlarge()
		s.joining.delivered(s.batch.n)
		s.replace()
		return nil
	}
	if a.verdict == tooLarge {
		s.shrink(all, a)
	}
	s.logger.Debug("receiver refuses requests that were joined, sending them one by one", "err", a.err, "requests", s.batch.n)
	s.joining.refused(s.batch.n)
	s.takeApart()
	return nil
}

// takeApart leaves only the record at the front in hand.
func (s *sender) takeApart() {
	s.queue.Narrow()
	s.account() // there may have been no room for the others
}
