package wirepage

import (
	"encoding/binary"
	"math/bits"
)

// maxOffset is how far back a copy with two bytes of offset reaches.
const maxOffset = 1<<16 - 1

// appendLiteral appends the element that stands for lit, however long, which must not be empty.
func appendLiteral(dst, lit []byte) []byte {
	switch n := uint32(len(lit) - 1); {
	case n < 60:
		dst = append(dst, byte(n)<<2)
	case n < 1<<8:
		dst = append(dst, 60<<2, byte(n))
	case n < 1<<16:
		dst = append(dst, 61<<2, byte(n), byte(n>>8))
	default:
		dst = append(dst, 63<<2, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	}
	return append(dst, lit...)
}

// appendCopy appends the elements that repeat n bytes, 4 at least, from offset bytes before.
func appendCopy(dst []byte, offset, n int) []byte {
	for n >= 68 {
		dst = append(dst, 63<<2|2, byte(offset), byte(offset>>8))
		n -= 64
	}
	if n > 64 { // so that at least 4 are left, which a short element can take
		dst = append(dst, 59<<2|2, byte(offset), byte(offset>>8))
		n -= 60
	}
	if n < 12 && offset < 1<<11 {
		return append(dst, byte(offset>>8)<<5|byte(n-4)<<2|1, byte(offset))
	}
	return append(dst, byte(n-1)<<2|2, byte(offset), byte(offset>>8))
}

// copyCost is the length of what appendCopy appends.
func copyCost(offset, n int) int {
	cost := 0
	for n >= 68 {
		cost += 3
		n -= 64
	}
	if n > 64 {
		cost += 3
		n -= 60
	}
	if n < 12 && offset < 1<<11 {
		return cost + 2
	}
	return cost + 3
}

// matchLen is the length of what a and b begin with alike.
func matchLen(a, b []byte) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)>>3
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
