package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// scanner finds the frames of one segment.
type scanner struct {
	r    io.ReaderAt
	size int64 // where the segment ends
	salt uint32
	buf  []byte // for the search behind damage; made when it is needed
	head [frameSize]byte
}

// openScanner reads the header of a segment. ok is false when it is damaged; the error is a
// newerError or that of the reader.
func openScanner(r io.ReaderAt, size int64) (s *scanner, ok bool, err error) {
	head := make([]byte, min(size, segmentStart))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	salt, ok, err := readSegmentHeader(head)
	if err != nil || !ok {
		return nil, false, err
	}
	return &scanner{r: r, size: size, salt: salt}, true, nil
}

// next returns the first frame at or behind off, and where it is. Bytes between the two are
// damaged. ok is false when there is none up to the end.
func (s *scanner) next(off int64) (f frame, at int64, ok bool, err error) {
	off = max(off, segmentStart)
	if f, ok, err = s.frameAt(off); ok || err != nil || off >= s.size {
		return f, off, ok, err
	}
	return s.search(off + 1)
}

// frameAt reads the header at off; ok is false when that is none of a whole frame.
func (s *scanner) frameAt(off int64) (frame, bool, error) {
	if off+frameSize > s.size {
		return frame{}, false, nil
	}
	if n, err := s.r.ReadAt(s.head[:], off); n < frameSize {
		return frame{}, false, notEOF(err)
	}
	f, ok := readFrame(s.head[:], s.salt)
	return f, ok && off+f.size() <= s.size, nil
}

// search looks for the next frame by its magic number.
func (s *scanner) search(off int64) (f frame, at int64, ok bool, err error) {
	const chunk = 64 << 10
	magic := le.AppendUint32(nil, frameMagic)
	if s.buf == nil {
		s.buf = make([]byte, chunk)
	}
	for off+frameSize <= s.size {
		n, err := s.r.ReadAt(s.buf[:min(chunk, s.size-off)], off)
		if err := notEOF(err); err != nil {
			return frame{}, 0, false, err
		}
		if n < frameSize {
			break // the file is shorter than it was
		}
		for from := 0; ; {
			i := bytes.Index(s.buf[from:n], magic)
			if i < 0 {
				break
			}
			at := off + int64(from+i)
			if f, ok, err := s.frameAt(at); ok || err != nil {
				return f, at, ok, err
			}
			from += i + 1
		}
		off += int64(n - len(magic) + 1) // it may lie across the border of two chunks
	}
	return frame{}, 0, false, nil
}

// payload reads the payload of the frame at off into buf, which it makes longer if need be.
// ok is false when it is damaged.
func (s *scanner) payload(f frame, off int64, buf []byte) (payload []byte, ok bool, err error) {
	if cap(buf) < int(f.length) {
		buf = make([]byte, f.length)
	}
	buf = buf[:f.length]
	if n, err := s.r.ReadAt(buf, off+frameSize); n < len(buf) {
		return buf[:0], false, notEOF(err)
	}
	return buf, crc32.Checksum(buf, castagnoli) == f.crc, nil
}

func notEOF(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("read segment: %w", err)
}
