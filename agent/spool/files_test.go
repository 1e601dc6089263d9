package spool

import (
	"os"
	"strings"
	"testing"
)

// What is delivered at once leaves no file behind that grows.
func TestSteadyStateStartsOver(t *testing.T) {
	dir := t.TempDir()
	r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
	largest := int64(0)
	for n := range 300 {
		r.put(n, 100_000)
		if r.take() != n {
			t.Fatal("out of order")
		}
		largest = max(largest, r.Stats().DiskBytes)
	}
	if largest > startOver+200_000 {
		t.Errorf("%d bytes on disk at a time", largest)
	}
	if got := files(t, dir); strings.Count(got, " ") > 1 {
		t.Errorf("files %s", got)
	}
}

// A file that is dealt with is closed as well as deleted: else it would still take up space.
func TestNoDeletedFileStaysOpen(t *testing.T) {
	dir := t.TempDir()
	r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
	for n := range 40 {
		r.put(n, 100_000)
	}
	r.drain()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, dir) && strings.HasSuffix(to, "(deleted)") {
			t.Errorf("open: %s", to)
		}
	}
}

// A file that is dropped gives its space back at once, though the reader has it open.
func TestDroppedFileTakesNoSpace(t *testing.T) {
	r := openRig(t, Options{Dir: t.TempDir(), Limits: Limits{Sync: SyncNever}}, realDisk())
	for n := range 3 {
		r.put(n, 1000)
	}
	r.look()
	r.Free(1, Size)
	info, err := r.reader.f.Stat()
	if err != nil || info.Size() != 0 {
		t.Errorf("%v, %v", info.Size(), err)
	}
	if r.take() != 0 || r.take() >= 0 {
		t.Error("something else is left than what was looked at")
	}
}
