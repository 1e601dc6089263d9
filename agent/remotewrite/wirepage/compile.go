package wirepage

import (
	"encoding/binary"
	"slices"
)

// Compiler makes pages. The zero value is ready for use. It keeps memory from page to page and
// is not safe for concurrent use.
type Compiler struct {
	src Source
	out []byte
	lit int // bytes from here on are not in out yet

	values, times []uint32 // in out
	nextValue     int      // of src.Values, that is not in out yet
	literalTimes  []int    // in src.Bytes, that are not in out yet

	seen  [1 << tableBits]place // static bytes, by their first four
	wide  [1 << tableBits]place // static bytes, by their first wideLen
	heads [1 << headBits]uint32 // number of a segment, by the four bytes behind its time; 0: none
	far   [1 << headBits]uint32 // number of a segment, by the wideLen bytes behind its time; 0: none
}

const (
	tableBits = 11
	headBits  = 8
	wideLen   = 16
)

// place is where static bytes are, plus 1, and where their run ends.
type place struct{ at, end uint32 }

// Compile makes a page, which shares no memory with src.
//
// The bytes are taken in segments, each from the end of a value to the next value, so that a
// segment begins with a time. Whole segments resemble one another; so the beginning of each is
// compared with that of an earlier one, time and all. What is left of it is static, and is
// looked up in a table.
func (c *Compiler) Compile(src Source) Page {
	c.src, c.out, c.lit = src, c.out[:0], 0
	c.values, c.times, c.nextValue, c.literalTimes = c.values[:0], c.times[:0], 0, c.literalTimes[:0]
	clear(c.seen[:])
	clear(c.wide[:])
	clear(c.heads[:])
	clear(c.far[:])

	for n := 0; n <= len(src.Values); n++ {
		begin, end := c.segment(n)
		if n > 0 {
			begin = c.head(n, begin, end)
		}
		c.static(begin, end)
	}
	c.flush(len(src.Bytes))
	block := make([]byte, 0, binary.MaxVarintLen32+len(c.out))
	block = binary.AppendUvarint(block, uint64(len(src.Bytes)))
	start := len(block)
	block = append(block, c.out...)
	return Page{
		block:    block,
		elements: block[start:],
		length:   len(src.Bytes),
		values:   slices.Clone(c.values),
		times:    slices.Clone(c.times),
	}
}

// segment returns where segment n begins and ends; the first begins with no time.
func (c *Compiler) segment(n int) (begin, end int) {
	end = len(c.src.Bytes)
	if n < len(c.src.Values) {
		end = int(c.src.Values[n])
	}
	if n > 0 {
		begin = int(c.src.Values[n-1]) + 8
	}
	return begin, end
}

// head takes the beginning of segment n, at least as far as its time goes, and returns where
// the rest begins.
func (c *Compiler) head(n, begin, end int) (rest int) {
	b := c.src.Bytes
	rest = begin + c.src.Gap + c.src.TimeLen
	// The last segment that has more bytes behind its time like those of this one is the best,
	// the last of all the worst.
	from, most := 0, max(4, rest-begin)-1
	try := func(other int) {
		at, limit := c.segment(other)
		if other == 0 || from > 0 || begin-at > maxOffset {
			return
		}
		// The times are alike, whatever they are, since they are equally far behind the values.
		if l := matchLen(b[at:limit], b[begin:end]); l > most {
			from, most = at, l
		}
	}
	if rest+wideLen <= end {
		h := hashWide(b[rest:]) >> (64 - headBits)
		try(int(c.far[h]))
		c.far[h] = uint32(n)
	}
	if rest+4 <= end {
		h := hash(binary.LittleEndian.Uint32(b[rest:])) >> (32 - headBits)
		try(int(c.heads[h]))
		c.heads[h] = uint32(n)
	}
	try(n - 1)
	if from == 0 {
		c.literalTimes = append(c.literalTimes, begin+c.src.Gap)
		return rest
	}
	c.copy(begin, from, most)
	return begin + most
}

// static takes bytes that stay, up to end.
func (c *Compiler) static(i, end int) {
	b := c.src.Bytes
	for i+4 <= end {
		four := binary.LittleEndian.Uint32(b[i:])
		here := place{uint32(i) + 1, uint32(end)}
		from, n := 0, 0
		if i+wideLen <= end {
			h := hashWide(b[i:]) >> (64 - tableBits)
			from, n = c.match(c.wide[h], i, end)
			c.wide[h] = here
		}
		h := hash(four) >> (32 - tableBits)
		if n < wideLen {
			if at, l := c.match(c.seen[h], i, end); l > n {
				from, n = at, l
			}
		}
		c.seen[h] = here
		if n < 4 || n <= copyCost(i-from, n)+1 { // it would save nothing
			i++
			continue
		}
		c.copy(i, from, n)
		i += n
	}
}

// match returns how many bytes at i are those at a place as well.
func (c *Compiler) match(p place, i, end int) (from, n int) {
	from = int(p.at) - 1
	if from < 0 || i-from > maxOffset {
		return 0, 0
	}
	return from, matchLen(c.src.Bytes[from:p.end], c.src.Bytes[i:end])
}

func hashWide(b []byte) uint64 {
	return (binary.LittleEndian.Uint64(b)*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(b[8:])) * 0xff51afd7ed558ccd
}

func hash(four uint32) uint32 { return four * 0x9e3779b1 }

// copy stands for n bytes at i that are those at from as well.
func (c *Compiler) copy(i, from, n int) {
	c.flush(i)
	c.out = appendCopy(c.out, i-from, n)
	c.lit = i + n
}

// flush makes a literal of the bytes up to end, and notes where the holes in it are.
func (c *Compiler) flush(end int) {
	if c.lit == end {
		return
	}
	c.out = appendLiteral(c.out, c.src.Bytes[c.lit:end])
	shift := len(c.out) - end // from a place in the bytes to that in out
	for ; c.nextValue < len(c.src.Values) && int(c.src.Values[c.nextValue]) < end; c.nextValue++ {
		c.values = append(c.values, uint32(int(c.src.Values[c.nextValue])+shift))
	}
	for _, at := range c.literalTimes {
		c.times = append(c.times, uint32(at+shift))
	}
	c.literalTimes = c.literalTimes[:0]
	c.lit = end
}
