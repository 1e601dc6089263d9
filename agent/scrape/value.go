package scrape

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unsafe"

	"github.com/prometheus/prometheus/model/value"
)

// parseValue reads a value that ends b's line. It knows the spellings that services use; ok
// is false for all others, about which the parser has to decide, and for what is no value.
// What it returns is what the parser would, to the bit.
func parseValue(b []byte) (v float64, ok bool) {
	if v, ok = parseDecimal(b); ok {
		return v, true
	}
	if len(b) == 0 || len(b) > maxValueLen {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		case c == 'I', c == 'n', c == 'f', c == 'N', c == 'a': // Inf, NaN
		default:
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(b), len(b)), 64)
	if err != nil {
		return 0, false
	}
	if math.IsNaN(v) {
		v = math.Float64frombits(value.NormalNaN)
	}
	return v, true
}

// maxValueLen is longer than any float that is printed.
const maxValueLen = 64

// pow10 holds the powers of ten that a float64 holds exactly.
var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// parseDecimal reads [-]digits[.digits] and [-]digits[.digits]e[+-]digits where the result is
// exact: a mantissa below 2^53 times or by a power of ten below 1e23 is rounded only once
// (Clinger, "How to read floating point numbers accurately", 1990).
func parseDecimal(b []byte) (v float64, ok bool) {
	i, negative := 0, false
	if len(b) > 0 && b[0] == '-' {
		negative, i = true, 1
	}
	mantissa, digits, exp := uint64(0), 0, 0
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		mantissa = mantissa*10 + uint64(b[i]-'0')
		digits++
	}
	if i < len(b) && b[i] == '.' {
		for i++; i < len(b) && b[i]-'0' <= 9; i++ {
			mantissa = mantissa*10 + uint64(b[i]-'0')
			digits++
			exp--
		}
	}
	if digits == 0 || digits > 19 { // 19 digits always fit in 64 bits
		return 0, false
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		e, n, ok := parseExponent(b[i+1:])
		if !ok {
			return 0, false
		}
		exp += e
		i += 1 + n
	}
	if i != len(b) || mantissa >= 1<<53 {
		return 0, false
	}
	v = float64(mantissa)
	switch {
	case exp == 0 || mantissa == 0:
	case exp > 0 && exp < len(pow10):
		v *= pow10[exp]
	case exp < 0 && -exp < len(pow10):
		v /= pow10[-exp]
	default:
		return 0, false
	}
	if negative {
		v = -v
	}
	return v, true
}

// parseExponent reads [+-]digits at the start of b, and says how long that was.
func parseExponent(b []byte) (e, n int, ok bool) {
	negative := false
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		negative, n = b[0] == '-', 1
	}
	digits := n
	for ; n < len(b) && b[n]-'0' <= 9; n++ {
		if e = e*10 + int(b[n]-'0'); e > 400 {
			return 0, 0, false
		}
	}
	if negative {
		e = -e
	}
	return e, n, n > digits
}

// shortNatural reads one to seven digits at pos of b, with a line feed behind them, all at
// once: most values are such. size is their number, -1 where there is something else.
func shortNatural(b []byte, pos int) (v float64, size int) {
	const each = 0x0101010101010101
	if pos+8 > len(b) {
		return 0, -1
	}
	x := binary.LittleEndian.Uint64(b[pos:])
	feeds := x ^ '\n'*each
	feeds = (feeds - each) &^ feeds & (0x80 * each) // the lowest bit that is set is right
	n := bits.TrailingZeros64(feeds) / 8
	if n == 0 || n == 8 {
		return 0, -1
	}
	x -= '0' * each // below the line feed there is no borrow where all are digits
	x <<= 64 - 8*n  // what is missing in front counts as zeros
	if (x|(x+0x76*each))&(0x80*each) != 0 {
		return 0, -1
	}
	// Pairs, then fours, then all eight of them.
	x = x*10 + x>>8
	x = ((x&0x000000ff000000ff)*(100+1000000<<32) + (x>>16&0x000000ff000000ff)*(1+10000<<32)) >> 32
	return float64(x), n
}
