package spool

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The names in a directory. Others are left alone.
const (
	SegmentSuffix = ".seg"     // of the files that hold records
	newerSuffix   = ".newer"   // a segment set aside
	damagedSuffix = ".damaged" // another
	maxDamaged    = 4
	cursorName    = "cursor"
	lockName      = "lock"
)

func segmentName(id uint64) string { return fmt.Sprintf("%016d%s", id, SegmentSuffix) }

// disk is what a log does to files that can fail for want of room or a broken disk; tests
// replace it.
type disk struct {
	create   func(name string) (*os.File, error)
	open     func(name string) (*os.File, error)
	write    func(f *os.File, b []byte, off int64) (int, error)
	truncate func(f *os.File, size int64) error
	sync     func(f *os.File) error
}

func realDisk() disk {
	return disk{
		create:   func(name string) (*os.File, error) { return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640) },
		open:     os.Open,
		write:    (*os.File).WriteAt,
		truncate: (*os.File).Truncate,
		sync:     (*os.File).Sync,
	}
}

// noRoom says whether an error means that space may be made by deleting something.
func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

const (
	lockTries = 5
	lockPause = 10 * time.Millisecond
)

// lock takes the directory for this process. The kernel gives it back however the process ends.
func lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make spool directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock spool: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for range lockTries { // InUse holds it for a moment
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(lockPause)
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		holder := make([]byte, 16)
		n, _ := f.Read(holder)
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &InUseError{Dir: dir, PID: cmp.Or(strings.TrimSpace(string(holder[:n])), "unknown")}
		}
		return nil, fmt.Errorf("lock spool %s: %w", dir, err)
	}
	// The pid is for the message above; on a full disk it is done without.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

// InUse says whether a process holds the directory of a log.
func InUse(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// listSegments returns the numbers of the segments in a directory in their order, and the
// highest that is taken, by a segment that was set aside as well.
func listSegments(dir string) (ids []uint64, highest uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, fmt.Errorf("read spool directory: %w", err)
	}
	for _, e := range entries {
		name, newer := strings.CutSuffix(e.Name(), newerSuffix)
		name, damaged := strings.CutSuffix(name, damagedSuffix)
		digits, is := strings.CutSuffix(name, SegmentSuffix)
		id, err := strconv.ParseUint(digits, 10, 64)
		if !is || err != nil || segmentName(id) != name || !e.Type().IsRegular() {
			continue
		}
		highest = max(highest, id)
		if !newer && !damaged {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, highest, nil
}

// cursor keeps the position in its file.
type cursor struct {
	f     *os.File
	count uint64
	at    position
	ok    bool // one was read
	buf   [slotSize]byte
}

func openCursor(dir string) (*cursor, error) {
	f, err := os.OpenFile(filepath.Join(dir, cursorName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open spool cursor: %w", err)
	}
	b := make([]byte, cursorSize)
	n, _ := f.ReadAt(b, 0) // what cannot be read is as good as damaged
	c := &cursor{f: f}
	c.count, c.at, c.ok = readCursor(b[:n])
	return c, nil
}

// set writes the slot that holds the older position. A kill in between leaves the other.
func (c *cursor) set(p position, d *disk) error {
	putSlot(&c.buf, c.count+1, p)
	if _, err := d.write(c.f, c.buf[:], int64((c.count+1)%2)*slotStride); err != nil {
		return fmt.Errorf("write spool cursor: %w", err)
	}
	c.count++
	c.at = p
	return nil
}

// syncDir makes names in a directory survive a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
