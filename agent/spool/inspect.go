package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Entry is a record of a directory, or damage in it.
type Entry struct {
	File    string
	Offset  int64
	Bytes   int64  // header included
	Record         // of damage only what is known
	Waiting bool   // not dealt with
	Damage  string // what is wrong; empty for a good record
	Torn    bool   // the damage is at the end of the last file: a write that is under way, or was cut off
}

// Overview is what Walk says of a directory as a whole.
type Overview struct {
	InUse     bool // a process holds the directory
	Cursor    bool // there is a valid one
	Segment   uint64
	Offset    int64
	Segments  int
	SetAside  []string // files that a newer version has written
	FileBytes int64
}

// Walk shows all records of a directory to visit, the oldest first, and all damage. It takes
// no lock and changes nothing: what a running process does meanwhile may be seen or not. The
// payload is valid during the call. An error of visit ends the walk.
func Walk(dir string, visit func(Entry) error) (Overview, error) {
	ids, _, err := listSegments(dir)
	if err != nil {
		return Overview{}, err
	}
	o := Overview{InUse: InUse(dir)}
	var at position
	if b, err := os.ReadFile(filepath.Join(dir, cursorName)); err == nil {
		_, at, o.Cursor = readCursor(b)
		o.Segment, o.Offset = at.segment, at.offset
	}
	o.SetAside, _ = filepath.Glob(filepath.Join(dir, "*"+SegmentSuffix+newerSuffix))
	var buf []byte
	for i, id := range ids {
		name := filepath.Join(dir, segmentName(id))
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // dealt with since
		}
		if err != nil {
			return o, err
		}
		w := walker{name: name, last: i == len(ids)-1, from: -1, visit: visit, buf: buf}
		switch {
		case id < at.segment:
			w.from = 1 << 62
		case id == at.segment:
			w.from = at.offset
		}
		size, err := w.walk(f)
		f.Close()
		if err != nil {
			return o, err
		}
		o.Segments++
		o.FileBytes += size
		buf = w.buf
	}
	return o, nil
}

// walker walks through one segment.
type walker struct {
	name  string
	last  bool
	from  int64 // where the first record is that waits
	visit func(Entry) error
	buf   []byte
}

func (w *walker) walk(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	scan, ok, err := openScanner(f, size)
	if err != nil {
		return size, w.damage(0, size, err.Error(), false)
	}
	if !ok {
		return size, w.damage(0, size, "the header of the segment is damaged", w.last && size <= segmentStart)
	}
	for off := int64(segmentStart); off < size; {
		fr, at, ok, err := scan.next(off)
		if err != nil {
			return size, w.damage(off, size-off, err.Error(), false)
		}
		if !ok {
			return size, w.damage(off, size-off, "no whole record up to the end", w.last)
		}
		if at > off {
			if err := w.damage(off, at-off, "the header of a record is damaged", false); err != nil {
				return size, err
			}
		}
		e := Entry{File: w.name, Offset: at, Bytes: fr.size(), Waiting: at >= w.from,
			Record: Record{Kind: fr.kind, TimeMs: fr.timeMs, Weight: fr.weight}}
		w.buf, ok, err = scan.payload(fr, at, w.buf)
		off = at + fr.size()
		switch {
		case err != nil:
			e.Damage = err.Error()
		case !ok:
			e.Damage, e.Torn = "the payload of a record is damaged", w.last && off == size
		default:
			e.Payload = w.buf
		}
		if err := w.visit(e); err != nil {
			return size, err
		}
	}
	return size, nil
}

func (w *walker) damage(off, n int64, what string, torn bool) error {
	if n == 0 {
		return nil
	}
	return w.visit(Entry{File: w.name, Offset: off, Bytes: n, Waiting: off+n > w.from, Damage: what, Torn: torn})
}
