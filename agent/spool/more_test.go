package spool

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// reach takes up to n records in hand, and returns their numbers.
func (r *rig) reach(n int) (ns []int) {
	r.t.Helper()
	front := r.look()
	if front < 0 {
		return nil
	}
	for ns = append(ns, front); len(ns) < n; {
		rec, ok := r.PeekMore()
		if !ok {
			return ns
		}
		n := int(binary.LittleEndian.Uint64(rec.Payload))
		if !slices.Equal(rec.Payload, payload(n, len(rec.Payload))) || rec.Kind != byte(n) || rec.Weight != uint32(n) {
			r.t.Fatalf("record %d is not what was appended", n)
		}
		if !r.Include() {
			return ns
		}
		ns = append(ns, n)
	}
	if r.look() != front {
		r.t.Error("the front has changed")
	}
	return ns
}

func TestSeveralInHand(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		r := openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: 64 << 10}}, realDisk())
		if _, ok := r.PeekMore(); ok || r.Include() {
			t.Error("more without a front")
		}
		for n := range 40 {
			r.put(n, 1000)
		}
		if got := r.reach(5); !slices.Equal(got, span(0, 5)) {
			t.Errorf("in hand: %v", got)
		}
		r.Narrow()
		r.Narrow()
		if got := r.reach(3); !slices.Equal(got, span(0, 3)) {
			t.Errorf("in hand: %v", got)
		}
		r.PeekMore() // but not included
		before := r.Stats()
		r.Advance()
		after := r.Stats()
		if after.Waiting.Records != before.Waiting.Records-3 || after.Waiting.Weight != before.Waiting.Weight-0-1-2 ||
			after.Waiting.Bytes != before.Waiting.Bytes-3*(1000+frameSize) {
			t.Errorf("waiting %+v, before %+v", after.Waiting, before.Waiting)
		}
		r.reach(4)
		r.Narrow()
		if n := r.take(); n != 3 {
			t.Errorf("took %d", n)
		}
		var got []int
		for ns := r.reach(10); len(ns) > 0; ns = r.reach(10) {
			got = append(got, ns...)
			r.Advance()
		}
		if !slices.Equal(got, span(4, 40)) {
			t.Errorf("left %v", got)
		}
		if s := r.Stats(); s.Waiting != (Amount{}) || s.Dropped != [reasons]Amount{} {
			t.Errorf("stats %+v", s)
		}
	}
}

// What is in hand is not dropped under the reader, until it lets go of it.
func TestDropOfSeveralInHand(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		for _, narrow := range []bool{false, true} {
			for _, more := range []int{0, 3, 62, 70, 200} { // appended while they are in hand
				dir := dir
				if dir != "" {
					dir = t.TempDir()
				}
				r := openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: 64 << 10}}, realDisk())
				for n := range 60 {
					r.put(n, 1000)
				}
				in := r.reach(5)
				if !slices.Equal(in, span(0, 5)) {
					t.Fatalf("in hand: %v", in)
				}
				for n := range more {
					r.put(60+n, 1000)
				}
				if more > 60 {
					if _, ok := r.PeekMore(); ok {
						t.Error("more, though the place of the front is gone")
					}
				}
				done := 5
				if narrow {
					r.Narrow()
					done = 1
				}
				if r.look() != 0 {
					t.Error("the front has changed")
				}
				r.Advance()
				left := r.drain()
				if len(left) == 0 || !slices.Equal(left, span(left[0], 60+more)) {
					t.Fatalf("left %v", left)
				}
				r.wantDropped(Size, int64(left[0]-done), sumFrom(done, left[0]))
				if w := r.Stats().Waiting; w != (Amount{}) {
					t.Errorf("waiting %+v", w)
				}
			}
		}
	}
}

// What is gone between PeekMore and Include is not taken in hand.
func TestMoreIsGone(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		r := openRig(t, Options{Dir: dir}, realDisk())
		for n := range 3 {
			r.put(n, 1000)
		}
		r.look()
		if _, ok := r.PeekMore(); !ok {
			t.Fatal("no more")
		}
		r.Free(3000, Size)
		if r.Include() {
			t.Error("a record that is gone is in hand")
		}
		r.Advance()
		r.wantDropped(Size, 2, 1+2)
		if w := r.Stats().Waiting; w != (Amount{}) {
			t.Errorf("waiting %+v", w)
		}
	}
}

// A stop while several are in hand repeats all of them; Advance takes all away for good.
func TestSeveralInHandAtAStop(t *testing.T) {
	dir := t.TempDir()
	r := openRig(t, Options{Dir: dir}, realDisk())
	for n := range 9 {
		r.put(n, 100)
	}
	r.reach(4)
	r.Advance()
	r.reach(3)
	r.close()
	r = openRig(t, Options{Dir: dir}, realDisk())
	if got := r.drain(); !slices.Equal(got, span(4, 9)) {
		t.Errorf("left %v", got)
	}
}

// What is damaged, too old or in another segment has to come to the front.
func TestMoreStops(t *testing.T) {
	dir := t.TempDir()
	r := openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: 64 << 10}}, realDisk())
	for n := range 12 { // of 1032 bytes, in segments of 8 KiB
		r.put(n, 1000)
	}
	r.close()
	name := filepath.Join(dir, segmentName(1))
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[segmentStart+2*1032+500] ^= 1
	b[segmentStart+4*1032+3] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r = openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: 64 << 10}}, realDisk())
	var got [][]int
	for ns := r.reach(100); len(ns) > 0; ns = r.reach(100) {
		got = append(got, ns)
		r.Advance()
	}
	want := [][]int{{0, 1}, {3}, {5, 6}, {7, 8, 9, 10, 11}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("in hand in turn: %v, want %v", got, want)
	}

	for _, dir := range []string{"", t.TempDir()} {
		r := openRig(t, Options{Dir: dir, Limits: Limits{MaxAge: time.Hour}}, realDisk())
		for n, age := range []time.Duration{0, 2 * time.Hour, 0} {
			if err := r.Append(byte(n), time.Now().Add(-age).UnixMilli(), uint32(n), payload(n, 10)); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.reach(3); !slices.Equal(got, []int{0}) {
			t.Errorf("in hand: %v", got)
		}
	}
}

func TestSeveralInHandAllocateNothing(t *testing.T) {
	r := openRig(t, Options{Dir: t.TempDir(), Limits: Limits{Sync: SyncNever}}, realDisk())
	b := payload(1, 100)
	once := func() {
		for range 4 {
			if err := r.Append(1, 0, 1, b); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := r.TryPeek(); err != nil {
			t.Fatal(err)
		}
		for {
			if _, ok := r.PeekMore(); !ok || !r.Include() {
				break
			}
		}
		r.Advance()
		if n := r.Stats().Waiting.Records; n != 0 {
			t.Fatalf("%d left", n)
		}
	}
	once()
	if n := testing.AllocsPerRun(500, once); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
