package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// load takes the directory and finds out what is in it.
func (l *Log) load() (err error) {
	if l.lockFile, err = lock(l.dir); err != nil {
		return err
	}
	if l.cursor, err = openCursor(l.dir); err != nil {
		return err
	}
	ids, highest, err := listSegments(l.dir)
	if err != nil {
		return err
	}
	l.nextID = max(highest, l.cursor.at.segment) + 1
	for i, id := range ids {
		start := int64(segmentStart)
		switch {
		case l.cursor.ok && id < l.cursor.at.segment: // dealt with
			l.discard(id)
			continue
		case l.cursor.ok && id == l.cursor.at.segment:
			start = max(start, l.cursor.at.offset)
		}
		s, err := l.loadSegment(id, start, i == len(ids)-1)
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		l.segments = append(l.segments, s)
		l.stats.DiskBytes += s.size
		l.stats.Waiting.add(s.left)
	}
	l.trim(0)
	if !l.cursor.ok { // both slots are written now, while there is room for them
		for range 2 {
			if err := l.cursor.set(position{}, &l.disk); err != nil {
				l.logger.Warn("position in the spool cannot be written", "err", err)
			}
		}
	}
	return nil
}

func (l *Log) discard(id uint64) {
	if err := os.Remove(l.path(id)); err != nil {
		l.logger.Warn("remove spool segment", "err", err)
	}
}

// loadSegment takes stock of a segment. It returns nil for one in which nothing waits, which
// is then removed, or set aside if a newer version wrote it. An error means that the disk
// does not do what it should; damage is none.
func (l *Log) loadSegment(id uint64, start int64, last bool) (*segment, error) {
	name := l.path(id)
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open spool segment: %w", err)
	}
	s, err := l.takeStock(f, id, start, last)
	if err == nil && s != nil && s.left.Records > 0 {
		return s, nil
	}
	f.Close()
	if newer := (newerError{}); errors.As(err, &newer) {
		l.logger.Error("a newer version has written a spool segment, setting it aside", "file", name+newerSuffix, "err", err)
		if err := os.Rename(name, name+newerSuffix); err != nil {
			return nil, fmt.Errorf("set spool segment aside: %w", err)
		}
		l.stats.SetAside++
		return nil, nil
	}
	if err != nil {
		l.logger.Error("a spool segment cannot be read, setting it aside", "file", name+damagedSuffix, "err", err)
		l.stats.Dropped[Damaged].Records++
		return nil, l.setAside(name)
	}
	l.discard(id)
	return nil, nil
}

// setAside renames a segment that cannot be read, for people to look at. A few are kept.
func (l *Log) setAside(name string) error {
	others, _ := filepath.Glob(filepath.Join(l.dir, "*"+damagedSuffix)) // sorted, and the pattern is good
	for len(others) >= maxDamaged {
		if err := os.Remove(others[0]); err != nil {
			break
		}
		others = others[1:]
	}
	if err := os.Rename(name, name+damagedSuffix); err != nil {
		return fmt.Errorf("set spool segment aside: %w", err)
	}
	return nil
}

// takeStock finds what waits in a segment and cuts off a torn end. Only headers are read, and
// the payload at the end, where a power cut leaves its marks.
func (l *Log) takeStock(f *os.File, id uint64, start int64, last bool) (*segment, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	scan, ok, err := openScanner(f, size)
	if err != nil {
		return nil, err
	}
	if !ok {
		if last && size <= segmentStart {
			l.torn(f, size)
		} else {
			l.stats.Dropped[Damaged].Bytes += size
			return nil, errors.New("its header is damaged")
		}
		return nil, nil
	}
	s := &segment{id: id, salt: scan.salt, start: start, f: f, sealed: !last}
	type found struct {
		frame
		at int64
	}
	var frames []found // of the last segment
	off := start
	for off < size {
		fr, at, ok, err := scan.next(off)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if at > max(off, segmentStart) {
			l.damaged(f, off, at-off)
		}
		if s.left.Records == 0 {
			s.start, s.oldest = at, fr.timeMs
		}
		s.left.add(fr.amount())
		s.newest = max(s.newest, fr.timeMs)
		if last {
			frames = append(frames, found{fr, at})
		}
		off = at + fr.size()
	}
	var buf []byte
	for n := len(frames) - 1; n >= 0; n-- {
		fr := frames[n]
		if buf, ok, err = scan.payload(fr.frame, fr.at, buf); err != nil {
			return nil, err
		} else if ok {
			break
		}
		s.left.sub(fr.amount())
		off = fr.at
	}
	if off < size && last {
		l.torn(f, size-off)
		if err := l.disk.truncate(f, off); err != nil {
			l.logger.Warn("cut off the torn end of a spool segment", "file", f.Name(), "err", err)
			s.sealed = true
		}
	} else if off < size {
		l.damaged(f, off, size-off)
	}
	s.size = off
	if s.sealed {
		s.close()
	} else {
		signal(l.dirty) // a process that was killed may not have come to it
	}
	return s, nil
}

func (l *Log) torn(f *os.File, n int64) {
	l.stats.TornBytes += n
	if n > 0 {
		l.logger.Warn("the last write to the spool was not finished, cutting it off", "file", f.Name(), "bytes", n)
	}
}

// damaged counts a stretch in which no record can be found as one record.
func (l *Log) damaged(f *os.File, off, n int64) {
	if n == 0 {
		return
	}
	l.stats.Dropped[Damaged].add(Amount{Records: 1, Bytes: n})
	l.logger.Error("a spool segment is damaged, skipping a part of it", "file", f.Name(), "offset", off, "bytes", n)
}
