package wirepage

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/klauspost/compress/snappy"
)

// Source is what a page is compiled from.
type Source struct {
	// Bytes are those that stay. In the places of values and times they are zero.
	Bytes []byte
	// Values says where the values are, in ascending order. Each has eight bytes, followed
	// by Gap bytes that stay and a time of TimeLen bytes. They do not overlap.
	Values       []uint32
	Gap, TimeLen int
}

// Page is a piece of a snappy block with holes for values and times. It is immutable and safe
// for concurrent use.
type Page struct {
	block    []byte   // by itself: the length of the page and its elements
	elements []byte   // the end of block
	length   int      // uncompressed
	values   []uint32 // where they are in elements
	times    []uint32 // where the literals of times are
}

// Len is the length of the bytes that the page stands for, uncompressed.
func (p *Page) Len() int { return p.length }

// Size is the length of what Append appends.
func (p *Page) Size() int { return len(p.elements) }

// Values is the number of values.
func (p *Page) Values() int { return len(p.values) }

// Append appends the page with values, in their order and as little-endian floats, and the
// bytes of the time. It panics when there are too few values, which is a bug of the caller.
func (p *Page) Append(dst []byte, values []float64, time []byte) []byte {
	base := len(dst)
	dst = append(dst, p.elements...)
	out := dst[base:]
	values = values[:len(p.values)]
	for i, at := range p.values {
		binary.LittleEndian.PutUint64(out[at:], math.Float64bits(values[i]))
	}
	for _, at := range p.times {
		copy(out[at:], time)
	}
	return dst
}

// Bytes returns the bytes that the page was compiled from, in dst if they fit.
func (p *Page) Bytes(dst []byte) ([]byte, error) {
	raw, err := snappy.Decode(dst[:cap(dst)], p.block)
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	return raw, nil
}
