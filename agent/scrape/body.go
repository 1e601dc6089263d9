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
	// followBuffer is what a body passes through that is followed.
	followBuffer = 64 << 10
	// keepBuffer is the capacity that is kept however little of it is used.
	keepBuffer = 256 << 10
)

// buffer holds the body of one target, and what it takes to unzip it, from scrape to scrape.
type buffer struct {
	b    []byte
	zip  *gzip.Reader
	wire *bufio.Reader // in front of zip, which would make one of its own each time

	// follow, if set, may give a follower for a body of some type. One that is as expected is
	// then followed, and not kept.
	follow   func(contentType string) *follower
	followed bool // the last body was
	n        int  // how long it was, unzipped
}

// readAll reads r to its end, through gzip if encoding says so. What it returns is good until
// the next call, and nil for a body that was followed. It fails with errTooLarge when there is
// more than limit after unzipping.
func (b *buffer) readAll(r io.Reader, contentType, encoding string, limit int64) ([]byte, error) {
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
	b.followed, b.n = false, 0
	var f *follower
	if b.follow != nil {
		f = b.follow(contentType)
	}
	buf := b.b[:0]
	for {
		if len(buf) == cap(buf) {
			buf, f = makeRoom(buf, f)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		b.n += n
		if err == nil {
			continue
		}
		b.b = buf
		switch {
		case err != io.EOF:
			return nil, err
		case f == nil:
		case f.finish(buf):
			b.followed = true
			return nil, nil
		default:
			b.b = f.giveUp(buf)
		}
		return b.b, nil
	}
}

// makeRoom returns buf with room at its end. What was followed makes way, as long as the body
// is as expected.
func makeRoom(buf []byte, f *follower) ([]byte, *follower) {
	switch {
	case cap(buf) == 0 && f != nil:
		return make([]byte, 0, followBuffer), f
	case f == nil:
	case !f.take(buf):
		buf, f = f.giveUp(buf), nil
	default:
		buf = f.shift(buf)
	}
	if len(buf) < cap(buf)-cap(buf)/4 {
		return buf, f
	}
	return slices.Grow(buf, max(firstBuffer, len(buf)/2)), f
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
