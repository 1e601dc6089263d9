package scrape

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

var errTooLarge = errors.New("too large")

// limitedReader fails with errTooLarge where a body becomes longer than limit. It remembers
// how far it came, and how it ended.
type limitedReader struct {
	r     io.Reader
	limit int64 // 0: none
	n     int64
	err   error
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	// One byte more than allowed tells a body of just the limit from a longer one.
	if l.limit > 0 {
		p = p[:min(int64(len(p)), l.limit-l.n+1)]
	}
	n, err := l.r.Read(p)
	l.n += int64(n)
	if l.limit > 0 && l.n > l.limit {
		n, err = n-1, errTooLarge
	}
	l.err = err
	return n, err
}

const (
	firstBuffer = 16 << 10
	// keepBuffer is the capacity that is kept however little of it is used.
	keepBuffer = 256 << 10
)

// buffer holds the body of one target, and what it takes to unzip it, from scrape to scrape.
type buffer struct {
	b    []byte
	zip  *gzip.Reader
	wire *bufio.Reader // in front of zip, which would make one of its own each time
}

// readAll reads r to its end, through gzip if encoding says so. What it returns is good until
// the next call. It fails with errTooLarge when there is more than limit after unzipping.
func (b *buffer) readAll(r io.Reader, encoding string, limit int64) ([]byte, error) {
	switch strings.ToLower(encoding) {
	case "", "identity":
	case "gzip":
		zip, err := b.unzip(r)
		if err != nil {
			return nil, err
		}
		r = &limitedReader{r: zip, limit: limit}
	default:
		return nil, fmt.Errorf("unknown Content-Encoding %q", excerpt(encoding))
	}
	if cap(b.b) > keepBuffer && len(b.b) < cap(b.b)/4 {
		b.b = nil // one huge body is no reason to stay big
	}
	buf := b.b[:0]
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, max(firstBuffer, len(buf)/2))
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			b.b = buf
			if err == io.EOF {
				return buf, nil
			}
			return nil, err
		}
	}
}

func (b *buffer) unzip(r io.Reader) (io.Reader, error) {
	if b.zip == nil {
		b.wire, b.zip = bufio.NewReader(r), new(gzip.Reader)
	} else {
		b.wire.Reset(r)
	}
	if err := b.zip.Reset(b.wire); err != nil {
		return nil, err
	}
	return b.zip, nil
}
