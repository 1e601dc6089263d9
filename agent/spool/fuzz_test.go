package spool

import (
	"bytes"
	"testing"
)

// FuzzSegment reads any bytes as a segment: no panic, no endless loop, no frame beyond the end,
// none twice.
func FuzzSegment(f *testing.F) {
	good := appendSegmentHeader(nil, 7)
	for n := range 3 {
		body := payload(n, 20)
		fr := frame{length: uint32(len(body)), kind: byte(n), weight: 1, timeMs: 5, crc: sumOf(body)}
		good = append(fr.append(good, 7), body...)
	}
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(good[:segmentStart])
	flipped := bytes.Clone(good)
	flipped[segmentStart+4] ^= 0xff
	f.Add(flipped)
	f.Add(append(bytes.Clone(good), bytes.Repeat(le.AppendUint32(nil, frameMagic), 20)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok, err := openScanner(bytes.NewReader(b), int64(len(b)))
		if err != nil || !ok {
			return
		}
		var buf []byte
		for off := int64(segmentStart); off < int64(len(b)); {
			fr, at, ok, err := s.next(off)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if at < off || at+fr.size() > int64(len(b)) {
				t.Fatalf("a frame of %d bytes at %d, looking from %d in %d bytes", fr.size(), at, off, len(b))
			}
			var good bool
			if buf, good, err = s.payload(fr, at, buf); err != nil {
				t.Fatal(err)
			}
			if good && !bytes.Equal(buf, b[at+frameSize:at+fr.size()]) {
				t.Fatal("another payload")
			}
			off = at + fr.size()
		}
	})
}

// FuzzCursor reads any bytes as a cursor; what it takes for one it writes the same way.
func FuzzCursor(f *testing.F) {
	b := make([]byte, cursorSize)
	f.Add(b)
	var slot [slotSize]byte
	putSlot(&slot, 4, position{3, 1234})
	copy(b, slot[:])
	f.Add(bytes.Clone(b))
	putSlot(&slot, 5, position{3, 2345})
	copy(b[slotStride:], slot[:])
	f.Add(bytes.Clone(b))
	f.Add(b[:slotSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		count, p, ok := readCursor(b)
		if !ok {
			return
		}
		if p.offset < 0 || count == 0 {
			t.Fatalf("count %d, %+v", count, p)
		}
		var slot [slotSize]byte
		putSlot(&slot, count, p)
		if n, again, ok := readCursor(slot[:]); !ok || n != count || again != p {
			t.Fatalf("%d %+v became %d %+v", count, p, n, again)
		}
	})
}
