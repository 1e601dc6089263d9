package scrape

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// edit says that part of a body is to be read by the parser: body[from:to] stands in place of
// the units [unit, unit+skip) of the layout.
type edit struct {
	unit, skip int
	from, to   int
	before     spoke // what its lines depend on
	lines      int   // all plain, so many of them; -1: there are others
	at         int   // of plain lines: where joint.text has them
}

// scanner compares a body with a layout. Its slices are used again by the next scan.
type scanner struct {
	layout *layout
	body   []byte // without the mark at its end
	values []float64

	units []span // where the units of the layout that are repeated are in body
	edits []edit
	index unitIndex // of the layout; empty until it is needed
	lines []int     // scratch of resync
	part  []byte    // scratch for the parser
	joint joint
	spent int // bytes in edits
}

// scan finds what of the body is as in the layout and writes the values that are not to
// st.values. Where lines differ it makes edits. It is false if the parser has to read the
// whole body; nothing but st.values has changed then.
func (st *state) scan(body []byte) bool {
	l, sc := st.layout, &st.scanner
	content, ok := l.format.content(body)
	if !ok {
		return false
	}
	sc.layout, sc.body, sc.values = l, content, st.values
	sc.edits, sc.spent = sc.edits[:0], 0
	if cap(sc.units) < len(l.units) {
		sc.units = make([]span, len(l.units), len(l.units)+len(l.units)/16)
	}
	sc.units = sc.units[:len(l.units)]
	return sc.compare() && st.checkEdits()
}

// compare walks through layout and body side by side. i is where it is in the one, j in the
// other, u the unit there.
func (sc *scanner) compare() bool {
	l, old, body := sc.layout, sc.layout.body, sc.body
	i, j, u := 0, 0, 0
	slow := l.slow
	for {
		end, next := len(old), len(l.units)
		for len(slow) > 0 && int(slow[0]) < u {
			slow = slow[1:]
		}
		if len(slow) > 0 {
			next = int(slow[0])
			end = l.start(next)
		}
		n := commonPrefix(old[i:end], body[j:])
		i, j = i+n, j+n
		if i == end && next == len(l.units) && j == len(body) {
			sc.keep(u, next, j-i)
			return true
		}
		// The first difference is in unit u, or unit u is one that is read anew each time.
		from := u
		for u < next && int(l.units[u].end) < i {
			u++
		}
		sc.keep(from, u, j-i)
		if u < next && i >= int(l.units[u].value) {
			start := int(l.units[u].value) + j - i
			if n, ok := sc.value(u, body[start:]); ok {
				sc.units[u] = span{value: uint32(start), end: uint32(start + n)}
				i, j = int(l.units[u].end), start+n
				u++
				continue
			}
		}
		start := l.start(u)
		from, j = u, start+j-i
		var to int
		u, to = sc.resync(u, j)
		if !sc.edit(from, u, j, to) {
			return false
		}
		if u == len(l.units) && to == len(body) {
			return true
		}
		i, j = l.start(u), to
	}
}

// keep notes where the units [from, to) are, which are by delta bytes away from where they were.
func (sc *scanner) keep(from, to, delta int) {
	if delta == 0 {
		copy(sc.units[from:to], sc.layout.units[from:to])
		return
	}
	dst, d := sc.units[from:to], uint32(delta)
	for k, sp := range sc.layout.units[from:to] {
		dst[k] = span{value: sp.value + d, end: sp.end + d}
	}
}

// value reads a value that is not what it was, and returns how long it is.
func (sc *scanner) value(u int, b []byte) (n int, ok bool) {
	n = bytes.IndexByte(b[:min(len(b), maxValueLen+1)], '\n')
	if n < 0 {
		return 0, false
	}
	v, ok := parseValue(b[:n])
	if ok && sc.layout.cols[u] >= 0 {
		sc.values[sc.layout.cols[u]] = v
	}
	return n, ok
}

// edit notes that the parser has to read body[from:to] in place of units, and says whether
// that is less work than to have it read everything.
func (sc *scanner) edit(unit, until, from, to int) bool {
	if n := len(sc.edits); n > 0 && sc.edits[n-1].unit+sc.edits[n-1].skip == unit && sc.edits[n-1].to == from {
		sc.edits[n-1].skip, sc.edits[n-1].to = until-sc.edits[n-1].unit, to
	} else {
		sc.edits = append(sc.edits, edit{unit: unit, skip: until - unit, from: from, to: to})
	}
	sc.spent += to - from
	return sc.spent <= len(sc.body)*2/3+1024
}

// How far apart two ways to go on may be for the nearest one to be looked for step by step.
const resyncSteps = 24

// resync is asked where layout and body agree again, when unit u is not what is at pos of the
// body, where a line begins. It answers with a unit and the beginning of a line, of which one
// at least is farther on.
func (sc *scanner) resync(u, pos int) (unit, to int) {
	l, n := sc.layout, len(sc.layout.units)
	sc.lines = append(sc.lines[:0], pos)
	// Most often the lines that are read anew each time are just as many as they were.
	run := 0
	for u+run < n && l.cols[u+run] == colSlow {
		run++
		if !sc.readLines(run) {
			break
		}
		if (u+run == n || l.cols[u+run] != colSlow) && l.matches(u+run, sc.body, sc.lines[run]) {
			return u + run, sc.lines[run]
		}
	}
	for step := 1; step <= resyncSteps; step++ {
		for j := 0; j <= step && sc.readLines(j); j++ {
			if k := u + step - j; k <= n && l.matches(k, sc.body, sc.lines[j]) {
				return k, sc.lines[j]
			}
		}
	}
	return sc.search(u)
}

// readLines finds where the lines up to the n-th after the first begin; false if the body
// ends before. Where it ends a line begins as well.
func (sc *scanner) readLines(n int) bool {
	for len(sc.lines) <= n {
		last := sc.lines[len(sc.lines)-1]
		k := bytes.IndexByte(sc.body[last:], '\n')
		if k < 0 {
			return false
		}
		sc.lines = append(sc.lines, last+k+1)
	}
	return true
}

// search looks for a unit behind u with every line of the body from the first of sc.lines on.
// It trusts one only if the line behind it goes on like the unit behind it: a single line may
// have moved up from far below.
func (sc *scanner) search(u int) (unit, to int) {
	l, n := sc.layout, len(sc.layout.units)
	sc.index.build(l)
	for pos := sc.lines[0]; pos < len(sc.body); {
		end := bytes.IndexByte(sc.body[pos:], '\n')
		if end < 0 {
			break
		}
		if k := sc.index.find(l, lineKey(sc.body[pos:pos+end+1])); k > u && l.matches(k, sc.body, pos) {
			if next := sc.afterUnit(k, pos); next > 0 && (l.matches(k+1, sc.body, next) || k+1 < n && l.cols[k+1] == colSlow) {
				return k, pos
			}
		}
		pos += end + 1
	}
	return n, len(sc.body)
}

// afterUnit returns where the line behind unit k ends that is at pos; 0 if the body ends first.
func (sc *scanner) afterUnit(k, pos int) int {
	pos += int(sc.layout.units[k].value) - sc.layout.start(k)
	n := bytes.IndexByte(sc.body[pos:], '\n')
	if n < 0 {
		return 0
	}
	return pos + n + 1
}

// unitIndex finds units by how they begin: an open-addressed table of 1 + their numbers.
type unitIndex struct {
	of    *layout
	slots []int32
}

// lineKey returns what a line begins with: all of it if it is no sample, else what stands
// before the value if there is nothing behind that.
func lineKey(line []byte) []byte {
	if line[0] == '#' || line[0] == '\n' {
		return line
	}
	return line[:bytes.LastIndexByte(line, ' ')+1]
}

func (l *layout) key(u int) []byte {
	b := l.body[l.start(u):l.units[u].value]
	if n := bytes.IndexByte(b, '\n'); n >= 0 && (b[0] == '#' || b[0] == '\n') {
		b = b[:n+1]
	}
	return b
}

func (x *unitIndex) build(l *layout) {
	if x.of == l {
		return
	}
	size := 1 << bits.Len(uint(2*len(l.units)))
	if cap(x.slots) < size {
		x.slots = make([]int32, size)
	}
	x.slots = x.slots[:size]
	clear(x.slots)
	x.of = l
	for u, col := range l.cols {
		if col == colSlow {
			continue
		}
		slot := xxhash.Sum64(l.key(u)) & uint64(size-1)
		for x.slots[slot] != 0 {
			slot = (slot + 1) & uint64(size-1)
		}
		x.slots[slot] = int32(u) + 1
	}
}

// find returns the first unit that begins with key, or -1.
func (x *unitIndex) find(l *layout, key []byte) int {
	if len(key) == 0 {
		return -1
	}
	mask := uint64(len(x.slots) - 1)
	for slot := xxhash.Sum64(key) & mask; x.slots[slot] != 0; slot = (slot + 1) & mask {
		if u := int(x.slots[slot]) - 1; string(l.key(u)) == string(key) {
			return u
		}
	}
	return -1
}

// commonPrefix returns for how many bytes a and b are the same.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	i := 0
	for ; i+32 <= n; i += 32 {
		x, y := a[i:i+32:i+32], b[i:i+32:i+32]
		d0 := binary.LittleEndian.Uint64(x) ^ binary.LittleEndian.Uint64(y)
		d1 := binary.LittleEndian.Uint64(x[8:]) ^ binary.LittleEndian.Uint64(y[8:])
		d2 := binary.LittleEndian.Uint64(x[16:]) ^ binary.LittleEndian.Uint64(y[16:])
		d3 := binary.LittleEndian.Uint64(x[24:]) ^ binary.LittleEndian.Uint64(y[24:])
		if d0|d1|d2|d3 == 0 {
			continue
		}
		switch {
		case d0 != 0:
			return i + bits.TrailingZeros64(d0)/8
		case d1 != 0:
			return i + 8 + bits.TrailingZeros64(d1)/8
		case d2 != 0:
			return i + 16 + bits.TrailingZeros64(d2)/8
		}
		return i + 24 + bits.TrailingZeros64(d3)/8
	}
	for ; i < n && a[i] == b[i]; i++ {
	}
	return i
}
