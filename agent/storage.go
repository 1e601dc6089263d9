package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// DefaultStoragePath is used when no storage path is named. Only this one may be unusable:
// then everything is kept in memory.
const DefaultStoragePath = "/var/lib/outrider"

// storage is the folder that belongs to this process alone while the lock is held.
type storage struct {
	dir  string // empty: memory only
	lock *os.File
}

// openStorage makes and locks the folder. A path that was named must be usable; the fallback
// may not be, and then the sidecar says so and rides on without a disk.
func openStorage(named, fallback string, logger *slog.Logger) (*storage, error) {
	dir := named
	if dir == "" {
		dir = fallback
	}
	lock, err := lockDir(dir)
	switch {
	case err == nil:
		return &storage{dir: dir, lock: lock}, nil
	case named != "":
		return nil, err
	}
	logger.Warn("default storage path cannot be used: requests wait in memory alone, and samples that a receiver refuses for good are dropped instead of set aside; give a writable folder with --storage.path",
		"path", dir, "err", err)
	return &storage{}, nil
}

func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, storageError(dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, storageError(dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := make([]byte, 16)
		n, _ := f.Read(holder)
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("storage path %s is in use by another outrider (pid %s): give each its own with --storage.path",
				dir, strings.TrimSpace(string(holder[:n])))
		}
		return nil, storageError(dir, err)
	}
	// The pid is for the message above; the kernel's lock is what counts.
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, storageError(dir, err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		f.Close()
		return nil, storageError(dir, err)
	}
	return f, nil
}

// storageError says what to do about a folder that cannot be used.
func storageError(dir string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	fix := "make it writable for this user, or name another with --storage.path"
	if errors.Is(err, syscall.ENOSPC) {
		fix = "free some space, or name another with --storage.path"
	}
	return fmt.Errorf("storage path %s: %w: %s", dir, err, fix)
}

// spool is where requests wait; empty without a disk.
func (s *storage) spool() string {
	if s.dir == "" {
		return ""
	}
	return filepath.Join(s.dir, "spool")
}

// quarantine is where requests go that a receiver refuses for good; empty without a disk.
func (s *storage) quarantine() string {
	if s.dir == "" {
		return ""
	}
	return filepath.Join(s.dir, "quarantine")
}

// close gives the folder back. The lock file stays, as removing it would race with the next
// owner.
func (s *storage) close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}
