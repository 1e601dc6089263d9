package spool

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// faulty is a disk of so many bytes that can also fail otherwise. It works on real files.
type faulty struct {
	room     int64 // for all segments together; below zero: any
	writeErr error
	syncErr  error
	cutErr   error
	openErr  error
	short    bool // writes stop half way and do not say so
	syncs    int

	mu sync.Mutex
}

// change sets fields while the log works.
func (d *faulty) change(set func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	set()
}

func (d *faulty) synced() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

func (d *faulty) disk() disk {
	real := realDisk()
	return disk{
		create: real.create,
		open: func(name string) (*os.File, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.openErr != nil {
				return nil, d.openErr
			}
			return real.open(name)
		},
		write: func(f *os.File, b []byte, off int64) (int, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.writeErr != nil {
				n, _ := f.WriteAt(b[:len(b)/2], off)
				return n, d.writeErr
			}
			if d.short {
				return f.WriteAt(b[:len(b)/2], off)
			}
			if strings.HasSuffix(f.Name(), cursorName) || d.room < 0 {
				return f.WriteAt(b, off)
			}
			used := int64(0)
			names, _ := filepath.Glob(filepath.Join(filepath.Dir(f.Name()), "*"+SegmentSuffix))
			for _, n := range names {
				if info, err := os.Stat(n); err == nil {
					used += info.Size()
				}
			}
			if left := max(0, d.room-used); left < int64(len(b)) {
				n, _ := f.WriteAt(b[:left], off)
				return n, syscall.ENOSPC
			}
			return f.WriteAt(b, off)
		},
		truncate: func(f *os.File, size int64) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.cutErr != nil {
				return d.cutErr
			}
			return f.Truncate(size)
		},
		sync: func(f *os.File) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.syncs++
			if d.syncErr != nil {
				return d.syncErr
			}
			return f.Sync()
		},
	}
}

// A full disk costs the oldest records, and as few of them as the segments allow.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		d := &faulty{room: 50 << 10}
		r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, d.disk())
		r.segment = 8 << 10
		for n := range 200 {
			r.put(n, 1000)
		}
		s := r.Stats()
		if s.DiskBytes > 50<<10 || s.DiskBytes < 40<<10 || s.DiskFailing || s.HeldBytes > 0 {
			t.Errorf("stats %+v", s)
		}
		got := r.drain()
		if first := 200 - len(got); !slices.Equal(got, span(first, 200)) || len(got) < 35 {
			t.Errorf("left %v", got)
		}
		r.wantDropped(DiskFull, int64(200-len(got)), sumFrom(0, 200-len(got)))
		r.close()
	})
}

// Where nothing can be freed the records wait in memory, in order, and go to the disk when it
// has room again.
func TestHeldInMemory(t *testing.T) {
	for name, fail := range map[string]func(*faulty, bool){
		"no room": func(d *faulty, on bool) {
			if d.room = -1; on {
				d.room = segmentStart + 5*(frameSize+1000) + 500
			}
		},
		"quota": func(d *faulty, on bool) {
			if d.writeErr = nil; on {
				d.writeErr = syscall.EDQUOT
			}
		},
		"broken": func(d *faulty, on bool) {
			if d.writeErr = nil; on {
				d.writeErr = syscall.EIO
			}
		},
		"short": func(d *faulty, on bool) { d.short = on },
		"broken, cannot cut": func(d *faulty, on bool) {
			if d.writeErr, d.cutErr = nil, nil; on {
				d.writeErr, d.cutErr = syscall.EIO, syscall.EIO
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				d := &faulty{room: -1}
				r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, d.disk())
				stop := r.run()
				for n := range 5 {
					r.put(n, 1000)
				}
				d.change(func() { fail(d, true) })
				for n := range 20 {
					r.put(5+n, 1000)
					time.Sleep(300 * time.Millisecond)
				}
				s := r.Stats()
				if !s.DiskFailing || s.HeldBytes < 20*1000 || s.Waiting.Records != 25 || s.Dropped != [Reasons]Amount{} {
					t.Errorf("stats %+v", s)
				}
				if n := strings.Count(r.out.String(), "level=ERROR"); n != 1 {
					t.Errorf("%d errors logged:\n%s", n, r.out)
				}
				// One that is looked at on disk, one in memory: both stay what they are.
				if r.take() != 0 {
					t.Error("not the first")
				}
				d.change(func() { fail(d, false) })
				if name != "no room" {
					for n := 1; n < 5; n++ {
						if r.take() != n {
							t.Error("out of order")
						}
					}
					if r.look() != 5 {
						t.Error("not the first in memory")
					}
				}
				time.Sleep(3 * time.Second)
				if s := r.Stats(); s.DiskFailing || s.HeldBytes > 0 {
					t.Errorf("stats %+v", s)
				}
				if name != "no room" {
					r.Advance()
				}
				stop()
				r.close()
				r = openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
				got := r.drain()
				want := span(1, 25)
				if name != "no room" {
					want = span(6, 25)
				}
				if !slices.Equal(got, want) {
					t.Errorf("left %v", got)
				}
				r.close()
			})
		})
	}
}

func TestHeldIsBounded(t *testing.T) {
	for err, why := range map[error]Reason{syscall.ENOSPC: DiskFull, syscall.EIO: DiskError} {
		d := &faulty{room: -1, writeErr: err}
		r := openRig(t, Options{Dir: t.TempDir(), Limits: Limits{Sync: SyncNever}}, d.disk())
		for n := range 100 {
			r.put(n, 100_000)
		}
		s := r.Stats()
		if s.HeldBytes > heldBytes || s.Waiting.Records != 41 {
			t.Errorf("stats %+v", s)
		}
		r.wantDropped(why, 59, sumFrom(0, 59))
		r.close()
		r.wantDropped(why, 100, sumFrom(0, 100)) // nowhere to leave them
	}
}

// A write that is cut short leaves nothing behind that a reader would take for damage.
func TestFailedWriteLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	d := &faulty{room: -1}
	r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, d.disk())
	for n := range 20 {
		r.put(n, 6000)
		d.writeErr = nil
		if n%2 == 0 {
			d.writeErr = syscall.ENOSPC
		}
		r.mu.Lock()
		r.retryAt = time.Time{}
		r.mu.Unlock()
	}
	d.writeErr = nil
	r.put(20, 6000)
	r.close()
	if f := walkFaults(t, dir); f != nil {
		t.Errorf("damage: %v", f)
	}
	r = openRig(t, Options{Dir: dir}, realDisk())
	if got := r.drain(); !slices.Equal(got, span(0, 21)) {
		t.Errorf("left %v", got)
	}
}

func TestSyncInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &faulty{room: -1}
		dir := t.TempDir()
		r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: 2 * time.Second}}, d.disk())
		stop := r.run()
		for n := range 10 { // delivered at once: never synced
			r.put(n, 100)
			r.take()
			time.Sleep(1100 * time.Millisecond) // never at the time of a sync
		}
		if n := d.synced(); n != 0 {
			t.Errorf("%d syncs of what was delivered", n)
		}
		time.Sleep(10 * time.Second)
		r.put(1, 100)
		time.Sleep(time.Second)
		r.put(2, 100)
		synctest.Wait()
		if n := d.synced(); n != 0 {
			t.Error("synced before it is time")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := d.synced(); n != 1 {
			t.Errorf("%d syncs, want 1 in 2 s", n)
		}
		time.Sleep(time.Minute)
		if n := d.synced(); n != 1 {
			t.Errorf("%d syncs, want no more when nothing comes", n)
		}
		d.change(func() { d.syncErr = syscall.EIO })
		for range 3 {
			r.put(3, 100)
			time.Sleep(3 * time.Second)
		}
		if s := r.Stats(); s.SyncFails != 3 || strings.Count(r.out.String(), "level=ERROR") != 1 {
			t.Errorf("%d fails:\n%s", s.SyncFails, r.out)
		}
		d.change(func() { d.syncErr = nil })
		if got := r.drain(); !slices.Equal(got, []int{1, 2, 3, 3, 3}) {
			t.Errorf("left %v", got)
		}
		stop()
		r.close()
	})
}

func TestSyncAlwaysAndNever(t *testing.T) {
	for policy, want := range map[time.Duration]int{SyncAlways: 10, SyncNever: 0} {
		d := &faulty{room: -1}
		r := openRig(t, Options{Dir: t.TempDir(), Limits: Limits{Sync: policy}}, d.disk())
		for n := range 10 {
			r.put(n, 100)
		}
		if n := d.synced(); n != want {
			t.Errorf("policy %d: %d syncs, want %d", policy, n, want)
		}
	}
}

// A position that cannot be written stops nothing, and is told once.
func TestCursorCannotBeWritten(t *testing.T) {
	d := &faulty{room: -1}
	dir := t.TempDir()
	r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, d.disk())
	for n := range 5 {
		r.put(n, 10)
	}
	d.writeErr = io.ErrUnexpectedEOF
	for n := range 3 {
		if r.take() != n {
			t.Error("out of order")
		}
	}
	if s := r.Stats(); !s.DiskFailing || strings.Count(r.out.String(), "level=ERROR") != 1 {
		t.Errorf("stats %+v\n%s", s, r.out)
	}
	d.writeErr = nil
	r.take()
	if s := r.Stats(); s.DiskFailing {
		t.Errorf("stats %+v", s)
	}
	r.close()
	r = openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
	if got := r.drain(); !slices.Equal(got, []int{4}) {
		t.Errorf("left %v", got)
	}
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: filepath.Join(file, "log")}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("error %v", err)
	}
}

// Too few descriptors to read with cost no record.
func TestCannotOpenForAWhile(t *testing.T) {
	d := &faulty{room: -1, openErr: syscall.EMFILE}
	r := openRig(t, Options{Dir: t.TempDir(), Limits: Limits{Sync: SyncNever}}, d.disk())
	r.put(1, 10)
	for range 3 {
		if _, _, err := r.TryPeek(); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("TryPeek: %v", err)
		}
	}
	if _, err := r.Peek(t.Context()); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("Peek: %v", err)
	}
	d.openErr = nil
	if got := r.drain(); !slices.Equal(got, []int{1}) {
		t.Errorf("left %v", got)
	}
	if d := r.Stats().Dropped; d != [Reasons]Amount{} {
		t.Errorf("dropped %+v", d)
	}
}

// Where dropping a segment makes no room, since others fill the disk, the rest is spared.
func TestFullDiskOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &faulty{room: -1}
		r := openRig(t, Options{Dir: t.TempDir(), Limits: Limits{Sync: SyncNever}}, d.disk())
		r.segment = 8 << 10
		for n := range 80 {
			r.put(n, 1000)
		}
		d.writeErr = syscall.ENOSPC
		for n := range 50 {
			r.put(80+n, 1000)
			time.Sleep(time.Second)
		}
		r.wantDropped(DiskFull, 7, sumFrom(0, 7))
		d.writeErr = nil
		r.put(130, 1000)
		if got := r.drain(); !slices.Equal(got, span(7, 131)) {
			t.Errorf("left %v", got)
		}
		r.close()
	})
}
