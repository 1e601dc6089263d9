package spool

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// smallLog makes a log of two segments with four records each and closes it. It returns the
// files by name.
func smallLog(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
	for n := range 8 {
		r.put(n, 20)
		r.segments[len(r.segments)-1].sealed = n == 3
	}
	r.close()
	return readFiles(t, dir)
}

func readFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]byte)
	for _, e := range entries {
		if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func restore(t *testing.T, dir string, all map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, b := range all {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

// recordAt returns which record of a segment of smallLog a byte belongs to; -1: the header.
func recordAt(off int) int {
	if off < segmentStart {
		return -1
	}
	return (off - segmentStart) / (frameSize + 20)
}

func TestAnyByteFlipped(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	all := smallLog(t, dir)
	for n, name := range []string{segmentName(1), segmentName(2)} {
		for off := range all[name] {
			for _, mask := range []byte{0x01, 0x80, 0xff} {
				changed := make(map[string][]byte)
				for k, b := range all {
					changed[k] = b
				}
				changed[name] = slices.Clone(all[name])
				changed[name][off] ^= mask
				restore(t, dir, changed)

				want := span(0, 8)
				if i := recordAt(off); i >= 0 {
					want = slices.DeleteFunc(want, func(r int) bool { return r == 4*n+i })
				}
				faults := walkFaults(t, dir)
				r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
				got := r.drain()
				if !slices.Equal(got, want) {
					t.Fatalf("byte %d of %s ^ %#x: got %v, want %v\n%s", off, name, mask, got, want, r.out)
				}
				s := r.Stats()
				lost, shown := 8-len(want), 0
				if s.Dropped[Damaged].Records > 0 || s.TornBytes > 0 {
					shown = 1
				}
				if lost != shown || lost != len(faults) {
					t.Fatalf("byte %d of %s: %d lost, stats %+v, faults %v", off, name, lost, s, faults)
				}
				// It goes on as if nothing had been.
				r.put(9, 20)
				if got := r.drain(); !slices.Equal(got, []int{9}) {
					t.Fatalf("then got %v", got)
				}
				r.close()
			}
		}
	}
}

// walkFaults returns where Walk finds damage.
func walkFaults(t *testing.T, dir string) (faults []string) {
	t.Helper()
	if _, err := Walk(dir, func(e Entry) error {
		if e.Damage != "" {
			faults = append(faults, fmt.Sprintf("%s:%d %s", filepath.Base(e.File), e.Offset, e.Damage))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return faults
}

func TestAnyTruncation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	all := smallLog(t, dir)
	for n, name := range []string{segmentName(1), segmentName(2)} {
		for size := range all[name] {
			changed := map[string][]byte{segmentName(1): all[segmentName(1)], segmentName(2): all[segmentName(2)]}
			changed[name] = all[name][:size]
			restore(t, dir, changed)
			whole := max(0, recordAt(size))
			want := append(span(0, 4*n+whole), span(4*n+4, 8)...)

			r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
			r.put(8, 20) // behind what was cut off
			if got := r.drain(); !slices.Equal(got, append(want, 8)) {
				t.Fatalf("%s of %d bytes: got %v, want %v\n%s", name, size, got, want, r.out)
			}
			cut := int64(size)
			if size >= segmentStart {
				cut = int64((size - segmentStart) % (frameSize + 20))
			} else if size >= headerSize {
				cut -= headerSize // one whole copy of the header is enough
			}
			s := r.Stats()
			if got := s.TornBytes + s.Dropped[Damaged].Bytes; got != cut && size >= segmentStart {
				t.Fatalf("%s of %d bytes: %d torn or damaged, want %d", name, size, got, cut)
			}
			if n == 1 && s.Dropped[Damaged].Bytes > 0 {
				t.Fatalf("a torn end counts as damage: %+v", s)
			}
			r.close()
		}
	}
}

// A power cut may leave a file that is long enough, with zeros in the place of data.
func TestZerosAtTheEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	all := smallLog(t, dir)
	last := all[segmentName(2)]
	for from := segmentStart; from < len(last); from++ {
		b := slices.Clone(last)
		clear(b[from:])
		restore(t, dir, map[string][]byte{segmentName(1): all[segmentName(1)], segmentName(2): append(b, make([]byte, 100)...)})
		r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
		want := append(span(0, 4+recordAt(from)), 8)
		r.put(8, 20)
		if got := r.drain(); !slices.Equal(got, want) {
			t.Fatalf("zeros from %d: got %v, want %v", from, got, want)
		}
		if s := r.Stats(); s.TornBytes == 0 || s.Dropped[Damaged] != (Amount{}) {
			t.Fatalf("zeros from %d: %+v", from, s)
		}
		r.close()
	}
}

// A flipped byte of the cursor costs at most the last step; without a cursor everything is
// delivered again.
func TestCursorDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	smallLog(t, dir)
	r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
	for range 6 {
		r.take()
	}
	r.close()
	all := readFiles(t, dir)
	open := func(cursor []byte) (got []int) {
		all[cursorName] = cursor
		restore(t, dir, all)
		r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
		defer r.close()
		return r.drain()
	}
	cursor := all[cursorName]
	if got := open(cursor); !slices.Equal(got, []int{6, 7}) {
		t.Fatalf("undamaged: %v", got)
	}
	for off := range cursor {
		b := slices.Clone(cursor)
		b[off] ^= 0x10
		if got := open(b); !slices.Equal(got, []int{6, 7}) && !slices.Equal(got, []int{5, 6, 7}) {
			t.Fatalf("byte %d: %v", off, got)
		}
	}
	for _, b := range [][]byte{nil, make([]byte, 10), make([]byte, 2000)} {
		if got := open(b); !slices.Equal(got, []int{4, 5, 6, 7}) { // the first segment is gone
			t.Fatalf("%d bytes of cursor: %v", len(b), got)
		}
	}
}

// A cursor behind the end of its file, as a power cut can leave it, hides nothing that comes.
func TestCursorBeyondTheEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	smallLog(t, dir)
	r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
	for range 7 {
		r.take()
	}
	r.close()
	if err := os.Truncate(filepath.Join(dir, segmentName(2)), segmentStart); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		r = openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
		r.put(20+n, 8)
		r.close()
	}
	r = openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
	if got := r.drain(); !slices.Equal(got, []int{20, 21, 22}) {
		t.Errorf("got %v", got)
	}
}

func TestNewerSegmentIsSetAside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	all := smallLog(t, dir)
	b := all[segmentName(1)]
	for at := 0; at < segmentStart; at += headerSize {
		le.PutUint32(b[at+8:], version+1)
		le.PutUint32(b[at+28:], sumOf(b[at:at+28]))
	}
	restore(t, dir, all)
	for range 2 {
		r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
		if got := r.Stats(); got.Dropped != [Reasons]Amount{} || r.look() != 4 {
			t.Errorf("stats %+v", got)
		}
		r.close()
	}
	kept, err := os.ReadFile(filepath.Join(dir, segmentName(1)+newerSuffix))
	if err != nil || !slices.Equal(kept, b) {
		t.Errorf("the segment was not kept: %v", err)
	}
}

// A payload that looks like a frame is not taken for one when the log looks for the next.
func TestPayloadIsNoFrame(t *testing.T) {
	dir := t.TempDir()
	r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
	fake := frame{length: 4, crc: sumOf([]byte("fake"))}
	inner := append(fake.append(nil, 0), "fake"...)
	if err := r.Append(0, 1, 1, inner); err != nil {
		t.Fatal(err)
	}
	r.put(2, 20)
	name := r.path(1)
	r.close()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[segmentStart+5] ^= 1
	if err := os.WriteFile(name, b, 0o640); err != nil {
		t.Fatal(err)
	}
	r = openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
	if got := r.drain(); !slices.Equal(got, []int{2}) {
		t.Errorf("got %v", got)
	}
	if d := r.Stats().Dropped[Damaged]; d != (Amount{Records: 1, Bytes: frameSize + int64(len(inner))}) {
		t.Errorf("damaged: %+v", d)
	}
}

// The books balance as well when the damage comes while the log is open.
func TestDamageWhileOpen(t *testing.T) {
	for _, off := range []int{segmentStart + 52 + 3, segmentStart + 52 + frameSize + 3} { // header, payload of the second
		dir := t.TempDir()
		r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
		for n := 1; n < 5; n++ {
			r.put(n, 20)
		}
		if r.take() != 1 {
			t.Fatal("not in order")
		}
		f := r.segments[0].f
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, int64(off)); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{b[0] ^ 4}, int64(off)); err != nil {
			t.Fatal(err)
		}
		if got := r.drain(); !slices.Equal(got, []int{3, 4}) {
			t.Errorf("got %v", got)
		}
		r.wantDropped(Damaged, 1, 2)
		if s := r.Stats(); s.Waiting != (Amount{}) {
			t.Errorf("waiting: %+v", s.Waiting)
		}
		if !strings.Contains(r.out.String(), "damaged") {
			t.Errorf("log: %s", r.out)
		}
	}
}

// A segment of which nothing can be read is set aside, but not any number of them.
func TestUnreadableSegmentsAreSetAside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	for n := range maxDamaged + 3 {
		r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
		r.put(n, 20)
		name := r.path(r.segments[0].id)
		r.close()
		if err := os.WriteFile(name, make([]byte, 500), 0o640); err != nil {
			t.Fatal(err)
		}
		r = openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
		if d := r.Stats().Dropped[Damaged]; d.Records != 1 || d.Bytes != 500 || r.look() >= 0 {
			t.Errorf("damaged: %+v", d)
		}
		r.close()
	}
	aside, _ := filepath.Glob(filepath.Join(dir, "*"+damagedSuffix))
	if len(aside) != maxDamaged {
		t.Errorf("set aside: %v", aside)
	}
}
