package remotewrite

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/klauspost/compress/snappy"
)

// record is one request, ready to be sent: what a queue keeps.
type record struct {
	message message
	data    []byte // the body: a snappy block
	counts  counts
	minMs   int64 // of all samples, milliseconds since the epoch
	maxMs   int64
	target  uint64    // hash of what it was scraped from
	queued  time.Time // when it was first queued
	sifted  bool      // suspects were set apart
	retry   bool      // it holds only suspects, to be tried again
}

// counts says how much a record, or a part of one, holds.
type counts struct {
	series     int
	floats     int
	histograms int
	exemplars  int
}

// samples is what the books are kept in: floats and native histograms.
func (c counts) samples() int { return c.floats + c.histograms }

func (c *counts) add(o counts) {
	c.series += o.series
	c.floats += o.floats
	c.histograms += o.histograms
	c.exemplars += o.exemplars
}

// span is a range of timestamps that grows as times are put in.
type span struct{ minMs, maxMs int64 }

func newSpan() span { return span{minMs: math.MaxInt64, maxMs: math.MinInt64} }

func (s *span) add(ms int64) {
	s.minMs = min(s.minMs, ms)
	s.maxMs = max(s.maxMs, ms)
}

func (s *span) join(o span) {
	s.minMs = min(s.minMs, o.minMs)
	s.maxMs = max(s.maxMs, o.maxMs)
}

// compress returns src as a snappy block of just the size that it needs, and the scratch
// buffer for the next call.
func compress(scratch, src []byte) (block, reuse []byte) {
	scratch = slices.Grow(scratch[:0], snappy.MaxEncodedLen(len(src)))
	scratch = snappy.Encode(scratch, src)
	return bytes.Clone(scratch), scratch
}

// Bounds of what a record may grow to when it is taken apart. Requests are made far smaller;
// only damaged data claims more.
const (
	maxDecoded       = 32 << 20 // bytes
	maxDecodedSeries = 1 << 20
)

func decompress(block []byte) ([]byte, error) {
	n, err := snappy.DecodedLen(block)
	if err != nil {
		return nil, fmt.Errorf("read snappy block: %w", err)
	}
	if n > maxDecoded {
		return nil, fmt.Errorf("snappy block of %d bytes is larger than %d", n, maxDecoded)
	}
	raw, err := snappy.Decode(nil, block)
	if err != nil {
		return nil, fmt.Errorf("read snappy block: %w", err)
	}
	return raw, nil
}
