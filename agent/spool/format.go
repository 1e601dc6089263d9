package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	version = 1

	segmentMagic = 0x6c6f6f7073727475 // "utrspool"
	headerSize   = 32
	segmentStart = 2 * headerSize // where frames begin: the header is there twice

	frameMagic = 0xf5a3d7c9 // four bytes that no text holds
	frameSize  = 32

	// MaxRecord is the largest payload of a record, in bytes.
	MaxRecord = 64 << 20
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// appendSegmentHeader appends both copies of the header of a segment.
func appendSegmentHeader(dst []byte, salt uint32) []byte {
	var h [headerSize]byte
	le.PutUint64(h[0:], segmentMagic)
	le.PutUint32(h[8:], version)
	le.PutUint32(h[16:], salt)
	le.PutUint32(h[28:], crc32.Checksum(h[:28], castagnoli))
	return append(append(dst, h[:]...), h[:]...)
}

// newerError says that a segment was written by a later version of this program.
type newerError struct{ version uint32 }

func (e newerError) Error() string {
	return fmt.Sprintf("the segment is of version %d, newer than %d", e.version, version)
}

// readSegmentHeader reads what of a segment's header can be read. ok is false when both copies
// are damaged; the only error is a newerError.
func readSegmentHeader(b []byte) (salt uint32, ok bool, err error) {
	for ; len(b) >= headerSize; b = b[headerSize:] {
		h := b[:headerSize]
		if le.Uint64(h) != segmentMagic || le.Uint32(h[28:]) != crc32.Checksum(h[:28], castagnoli) {
			continue
		}
		if v := le.Uint32(h[8:]); v > version {
			return 0, false, newerError{v}
		}
		return le.Uint32(h[16:]), true, nil
	}
	return 0, false, nil
}

// frame is the header of a record.
type frame struct {
	length uint32 // of the payload
	kind   byte
	weight uint32
	timeMs int64
	crc    uint32 // of the payload
}

// size is what the record takes in a segment.
func (f frame) size() int64 { return frameSize + int64(f.length) }

func (f frame) amount() Amount { return Amount{1, f.size(), int64(f.weight)} }

// append appends the header; salt is the sum with which checksums begin.
func (f frame) append(dst []byte, salt uint32) []byte {
	start := len(dst)
	dst = le.AppendUint32(dst, frameMagic)
	dst = le.AppendUint32(dst, f.length)
	dst = le.AppendUint32(dst, uint32(f.kind))
	dst = le.AppendUint32(dst, f.weight)
	dst = le.AppendUint64(dst, uint64(f.timeMs))
	dst = le.AppendUint32(dst, f.crc)
	return le.AppendUint32(dst, crc32.Update(salt, castagnoli, dst[start:]))
}

// readFrame reads the header of a record; ok is false when that is none, or damaged.
func readFrame(h []byte, salt uint32) (f frame, ok bool) {
	if len(h) < frameSize || le.Uint32(h) != frameMagic || le.Uint32(h[28:]) != crc32.Update(salt, castagnoli, h[:28]) {
		return frame{}, false
	}
	f = frame{
		length: le.Uint32(h[4:]),
		kind:   h[8],
		weight: le.Uint32(h[12:]),
		timeMs: int64(le.Uint64(h[16:])),
		crc:    le.Uint32(h[24:]),
	}
	return f, f.length <= MaxRecord
}

// position is where a record begins.
type position struct {
	segment uint64
	offset  int64
}

const (
	slotSize   = 32
	slotStride = 512 // each slot in a sector of its own, as a sector is what a disk writes whole
	cursorSize = slotStride + slotSize
)

func putSlot(b *[slotSize]byte, count uint64, p position) {
	le.PutUint64(b[0:], count)
	le.PutUint64(b[8:], p.segment)
	le.PutUint64(b[16:], uint64(p.offset))
	le.PutUint32(b[24:], 0)
	le.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
}

// readCursor reads the later one of the valid slots; ok is false when there is none.
func readCursor(b []byte) (count uint64, p position, ok bool) {
	for at := 0; at+slotSize <= len(b); at += slotStride {
		s := b[at : at+slotSize]
		n := le.Uint64(s)
		if le.Uint32(s[28:]) != crc32.Checksum(s[:28], castagnoli) || int64(le.Uint64(s[16:])) < 0 || n == 0 || ok && n <= count {
			continue
		}
		count, p, ok = n, position{segment: le.Uint64(s[8:]), offset: int64(le.Uint64(s[16:]))}, true
	}
	return count, p, ok
}
