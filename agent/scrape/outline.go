package scrape

import (
	"bytes"
	"math"
	"strconv"
)

// outline is what the layout of a target at rest keeps of its body: for some scrapes nothing
// has changed but values. It is a third of the body or less, since a line mostly begins as
// the one before it does, and a body is compared with it piece by piece as it comes in, so
// that none has to be held. A value that is not there in writing is read each time, which
// costs about as much as to see that it is the same.
type outline struct {
	// Unit u begins with shared[u] bytes of the sample line before it, and goes on with
	// own[u] bytes of text, from where the unit before it ends. Then its value comes.
	text   []byte
	shared []uint16
	own    []uint16
	tail   []byte // what follows the last unit
}

const (
	// restAfter is how many scrapes in a row have to change nothing but values before a
	// target is at rest; up to restAtMost of them where it is woken often.
	restAfter  = 3
	restAtMost = 200
)

// newOutline is nil where there can be none: lines are too long, or some are to be read anew
// each time.
func newOutline(l *layout) *outline {
	if len(l.slow) > 0 || len(l.units) == 0 {
		return nil
	}
	o := &outline{shared: make([]uint16, len(l.units)), own: make([]uint16, len(l.units))}
	var before []byte // the sample line before, up to its value
	size := 0
	for u, sp := range l.units {
		unit := l.body[l.start(u):sp.value]
		n := min(commonPrefix(before, unit), math.MaxUint16)
		if len(unit)-n > math.MaxUint16 {
			return nil
		}
		o.shared[u], o.own[u] = uint16(n), uint16(len(unit)-n)
		size += len(unit) - n
		before = unit[bytes.LastIndexByte(unit, '\n')+1:]
	}
	o.text = make([]byte, 0, size)
	for u, sp := range l.units {
		o.text = append(o.text, l.body[l.start(u)+int(o.shared[u]):sp.value]...)
	}
	o.tail = bytes.Clone(l.body[l.start(len(l.units)):])
	return o
}

// rest lets go of all that a target at rest can do without, if it is at rest.
func (st *state) rest() {
	if st.quiet++; st.quiet < st.restAfter || st.outline != nil || len(st.lines) > 0 ||
		len(st.series) != len(st.plain)+len(st.report) {
		return
	}
	if st.outline = newOutline(st.layout); st.outline == nil {
		st.quiet = 0
		return
	}
	l := st.layout
	l.body, l.units, st.spares = nil, nil, nil
	st.next, st.scanner = layout{}, scanner{}
	st.draft.next, st.draft.values, st.draft.content = nil, nil, nil
	st.lines, st.series = nil, nil
	st.syms.Rest()
}

// wake makes again what rest has let go of. The body of the layout then has the values in
// other words, which mean the same.
func (st *state) wake() {
	o, l := st.outline, st.layout
	if o == nil {
		return
	}
	if st.quiet > 10*st.restAfter {
		st.restAfter = restAfter
	} else {
		st.restAfter = min(2*st.restAfter, restAtMost)
	}
	st.outline, st.quiet = nil, 0
	n := len(o.shared)
	l.units = make([]span, 0, n+n/16)
	b := make([]byte, 0, 2*len(o.text)+n*8+len(o.tail))
	text, before := o.text, 0 // b[before:] begins with the sample line before
	for u := range n {
		start, shared, own := len(b), int(o.shared[u]), int(o.own[u])
		b = append(b, b[before:before+shared]...)
		b = append(b, text[:own]...)
		text = text[own:]
		before = start + bytes.LastIndexByte(b[start:], '\n') + 1
		value := len(b)
		if col := l.cols[u]; col >= 0 {
			b = strconv.AppendFloat(b, st.values[col], 'g', -1, 64)
		} else {
			b = append(b, '0')
		}
		l.units = append(l.units, span{value: uint32(value), end: uint32(len(b))})
		b = append(b, '\n')
	}
	l.body = append(b, o.tail...)
	st.lines = map[string]*line{}
	st.series = make(seriesTable, len(st.plain)+len(st.report))
	for _, part := range [][]*series{st.plain, st.report} {
		for _, s := range part {
			st.series.add(s)
		}
	}
}

// follower compares a body with the outline of a state as it comes in, and writes its values
// to the state. Nobody has to mind one that is given up halfway.
type follower struct {
	st   *state
	unit int
	text int // where the own part of unit is in outline.text
	// Where the buffer that it is shown has unit, and the sample line before it.
	pos, before int
}

// follow returns a follower for the next body, nil where the target is not at rest.
func (st *state) follow(contentType string) *follower {
	if st.outline == nil || st.layout.contentType != contentType {
		return nil
	}
	st.follower = follower{st: st}
	return &st.follower
}

// take goes through what there is of a body, but for a unit that may be incomplete. ok is
// false where it is not as in the outline.
func (f *follower) take(buf []byte) (ok bool) { return f.run(buf, false) }

func (f *follower) run(buf []byte, last bool) (ok bool) {
	o := f.st.outline
	values := f.st.values
	n := len(o.shared)
	shareds, owns, cols := o.shared[:n], o.own[:n], f.st.layout.cols[:n]
	u, pos, before, text := f.unit, f.pos, f.before, o.text[f.text:]
	ok = true
	for u < n {
		shared, own := int(shareds[u]), int(owns[u])
		middle := pos + shared
		end := middle + own
		if end+maxValueLen >= len(buf) {
			if !last {
				break
			}
			if end > len(buf) {
				ok = false
				break
			}
		}
		if string(buf[middle:end]) != string(text[:own]) || string(buf[pos:middle]) != string(buf[before:before+shared]) {
			ok = false
			break
		}
		v, size := shortNatural(buf, end)
		if size < 0 {
			if v, size = lineValue(buf[end:min(end+maxValueLen+1, len(buf))]); size < 0 {
				ok = false
				break
			}
		}
		if col := cols[u]; col >= 0 {
			values[col] = v
		}
		before = pos
		if shared == 0 { // there may be metadata in front of the line
			before += bytes.LastIndexByte(text[:own], '\n') + 1
		}
		pos = end + size + 1
		text = text[own:]
		u++
	}
	f.unit, f.pos, f.before, f.text = u, pos, before, len(o.text)-len(text)
	return ok
}

// lineValue reads the value that a line ends with, and says how long it is; -1 for none.
func lineValue(b []byte) (v float64, size int) {
	size = bytes.IndexByte(b, '\n')
	if size < 0 {
		return 0, -1
	}
	v, ok := parseValue(b[:size])
	if !ok {
		return 0, -1
	}
	return v, size
}

// shift moves what is still needed of the buffer to its beginning.
func (f *follower) shift(buf []byte) []byte {
	n := copy(buf, buf[f.before:])
	f.pos -= f.before
	f.before = 0
	return buf[:n]
}

// finish takes what is left of a body, of which there is no more to come. It says whether all
// of it was as in the outline. It may write one byte behind the body.
func (f *follower) finish(buf []byte) (ok bool) {
	content, ok := f.st.layout.format.content(buf)
	return ok && f.run(content, true) && f.unit == len(f.st.outline.shared) && f.pos <= len(content) &&
		bytes.Equal(content[f.pos:], f.st.outline.tail)
}

// giveUp wakes the state and returns the body so far, of which buf has the end: the values
// before that are written in other words.
func (f *follower) giveUp(buf []byte) []byte {
	buf = buf[f.pos:]
	l := f.st.layout
	f.st.wake()
	start := l.start(f.unit)
	b := make([]byte, 0, max(len(l.body)+len(l.body)/16, start+len(buf))+firstBuffer)
	b = append(b, l.body[:start]...)
	return append(b, buf...)
}

// unfollow wakes the state and returns a body that means what the one that was followed last
// does.
func (st *state) unfollow() []byte {
	st.wake()
	body := bytes.Clone(st.layout.body)
	if st.layout.format == formatOpenMetrics {
		body = append(body, endMark+"\n"...)
	}
	return body
}

// parseFollowed is parse for a body that was followed to its end.
func (st *state) parseFollowed(contentType string, timeMs int64) (tally, error) {
	if !st.mayRepeat(contentType, timeMs) {
		return st.parse(st.unfollow(), contentType, timeMs)
	}
	st.begin()
	return st.repeatAll(), nil
}
