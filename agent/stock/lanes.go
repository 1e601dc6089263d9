// Package stock provides a look from outside at what waits on disk, in the spools and in
// quarantine, and ways to send it by hand.
package stock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"outrider/agent/spool"
)

// Lane is one spool: a directory with the requests of one endpoint, or of one of its shards.
type Lane struct {
	Name     string // the directory, below the one that was looked in
	Requests int    // that wait
	Samples  int64
	Bytes    int64 // headers included
	Oldest   time.Time
	Newest   time.Time
	Faults   int // stretches that cannot be read
	spool.Overview
}

// Lanes returns what waits in all spools below a directory, in the order of their names.
func Lanes(dir string) ([]Lane, error) {
	dirs, err := spools(dir)
	if err != nil {
		return nil, err
	}
	lanes := make([]Lane, 0, len(dirs))
	for _, d := range dirs {
		l := Lane{Name: below(dir, d)}
		l.Overview, err = spool.Walk(d, func(e spool.Entry) error {
			switch {
			case e.Damage != "" && !e.Torn:
				l.Faults++
			case e.Damage != "" || !e.Waiting:
			default:
				at := time.UnixMilli(e.TimeMs)
				if l.Requests == 0 {
					l.Oldest = at
				}
				l.Newest = at
				l.Requests++
				l.Samples += int64(e.Weight)
				l.Bytes += e.Bytes
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		lanes = append(lanes, l)
	}
	return lanes, nil
}

// Fault is a stretch of a file that cannot be read.
type Fault struct {
	File   string
	Offset int64
	Bytes  int64
	What   string
	Torn   bool // a write that is under way, or that a crash cut off: the next start mends it
}

// File is what could be read of a segment.
type File struct {
	Name    string
	Records int
	Bytes   int64
	Faults  []Fault
}

// Verify reads everything in the spools below a directory, and shows each file to visit.
func Verify(dir string, visit func(File)) error {
	dirs, err := spools(dir)
	if err != nil {
		return err
	}
	for _, d := range dirs {
		var f File
		done := func() {
			if f.Name != "" {
				visit(f)
			}
		}
		_, err := spool.Walk(d, func(e spool.Entry) error {
			if e.File != f.Name {
				done()
				f = File{Name: e.File}
			}
			if e.Damage != "" {
				f.Faults = append(f.Faults, Fault{File: e.File, Offset: e.Offset, Bytes: e.Bytes, What: e.Damage, Torn: e.Torn})
				return nil
			}
			f.Records++
			f.Bytes += e.Bytes
			return nil
		})
		if err != nil {
			return err
		}
		done()
	}
	return nil
}

// spools returns the directories below dir, or dir itself, that hold a spool.
func spools(dir string) (dirs []string, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // nothing was spooled yet, or it is gone since
		case err != nil:
			return err
		case d.IsDir() && isSpool(name):
			dirs = append(dirs, name)
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for spools: %w", err)
	}
	return dirs, nil
}

// isSpool says whether a directory holds a log, or the segments of one.
func isSpool(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, "cursor")); err == nil {
		return true
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"+spool.SegmentSuffix))
	return len(names) > 0
}

func below(dir, name string) string {
	if rel, err := filepath.Rel(dir, name); err == nil && rel != "." && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return name
}
