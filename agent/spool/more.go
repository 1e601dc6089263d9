package spool

import "time"

// more is what PeekMore has read, until Include.
type more struct {
	buf    []byte
	amount Amount // Records is 0 when there is nothing to include
	end    int64  // where it ends in its segment; 0 in memory
	number uint64 // of the front when it was read
}

const keptMore = 256 << 10 // a larger buffer is not kept while the front goes alone

// PeekMore returns the record behind those that are in hand: the front that Peek returned, and
// what Include has added since. Its payload is valid until the next PeekMore or Advance. It
// waits for nothing; ok is false when there is none, and also when that one is in another file,
// too old or damaged: it is to be looked at as the front.
func (l *Log) PeekMore() (r Record, ok bool) {
	rd := &l.reader
	m := &rd.more
	m.amount = Amount{}
	l.mu.Lock()
	if l.closed || !l.peeked || l.lost.Records > 0 {
		l.mu.Unlock()
		return Record{}, false
	}
	var f frame
	number, oldest := l.removed, int64(0)
	if l.limits.MaxAge > 0 {
		oldest = time.Now().Add(-l.limits.MaxAge).UnixMilli()
	}
	if l.dir == "" {
		h := l.held.at(int(l.out.Records))
		if h != nil {
			f, r.Payload, m.end = h.frame, h.payload, 0
		}
		l.mu.Unlock()
		if h == nil {
			return Record{}, false
		}
	} else {
		i := l.frontSegment()
		if i < 0 || rd.end == 0 || rd.f == nil || rd.id != l.segments[i].id {
			l.mu.Unlock()
			return Record{}, false
		}
		size := l.segments[i].size
		l.mu.Unlock()

		rd.scan.size = size
		var err error
		if f, ok, err = rd.scan.frameAt(rd.end); !ok || err != nil {
			return Record{}, false
		}
		if m.buf, ok, err = rd.scan.payload(f, rd.end, m.buf); !ok || err != nil {
			return Record{}, false
		}
		r.Payload, m.end = m.buf, rd.end+f.size()
	}
	if f.timeMs < oldest {
		return Record{}, false
	}
	m.amount, m.number = f.amount(), number
	r.Kind, r.TimeMs, r.Weight = f.kind, f.timeMs, f.weight
	return r, true
}

// Include puts the record that PeekMore returned in hand as well: it is not dropped, and the
// next Advance takes it away together with the others. It is false when it is gone meanwhile.
func (l *Log) Include() bool {
	m := &l.reader.more
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || m.amount.Records == 0 || l.removed != m.number {
		return false
	}
	l.out.add(m.amount)
	l.reader.end = m.end
	m.amount = Amount{}
	return true
}

// Narrow leaves only the front in hand, the record that Peek returned. What had to go of the
// others is dropped only now.
func (l *Log) Narrow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.peeked || l.out.Records == 1 {
		return
	}
	l.out = l.first
	l.reader.end = l.reader.firstEnd
	if gone := l.lost; gone.Records > 0 {
		gone.sub(l.first)
		l.lost = l.first
		l.drop(gone, Size)
	}
}
