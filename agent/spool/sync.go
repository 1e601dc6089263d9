package spool

import (
	"context"
	"errors"
	"os"
	"time"
)

// Run makes records survive a power cut within the interval of Options.Sync, and tries the disk
// again while it takes nothing, until ctx is done. A log works without it but for that.
func (l *Log) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.dirty:
		case <-ctx.Done():
			return nil
		}
		timer.Reset(l.wait())
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		select { // whatever came meanwhile is done in one go
		case <-l.dirty:
		default:
		}
		l.retryHeld()
		l.syncWaiting()
	}
}

// wait is how long Run leaves what came to gather.
func (l *Log) wait() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble != nil || l.limits.Sync <= 0 {
		return retryDisk
	}
	return l.limits.Sync
}

func (l *Log) retryHeld() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.trouble == nil {
		return
	}
	if l.held.len() == 0 { // all of it was delivered: the next record tries the disk
		return
	}
	l.writeHeld(time.Now())
	if l.trouble != nil {
		signal(l.dirty)
	}
}

// syncWaiting syncs the segments that hold records which wait. What was delivered at once
// costs the disk nothing.
func (l *Log) syncWaiting() {
	for {
		l.mu.Lock()
		var s *segment
		for _, o := range l.segments {
			if o.left.Records > 0 && o.synced < o.size && o.f != nil {
				s = o
				break
			}
		}
		if s == nil || l.closed || l.limits.Sync <= 0 {
			l.mu.Unlock()
			return
		}
		f, size, names := s.f, s.size, l.newNames
		l.newNames = false
		l.mu.Unlock()

		// Appends go on meanwhile.
		err := l.disk.sync(f)
		if errors.Is(err, os.ErrClosed) {
			err = nil // the segment was dropped, or the log closed
		}
		if err == nil && names {
			err = syncDir(l.dir)
		}
		l.mu.Lock()
		l.synced(s, size, err)
		l.newNames = l.newNames || names && err != nil
		l.mu.Unlock()
	}
}

// synced takes note of a sync. After a failed one the kernel may take the pages for clean, so
// that there is no use in trying the same again: what comes goes to another file.
func (l *Log) synced(s *segment, size int64, err error) {
	s.synced = max(s.synced, size)
	if err != nil {
		s.sealed = true
		l.syncFailed(err)
	} else {
		l.syncFails = false
	}
	if s.sealed && s.synced == s.size {
		s.close()
	}
}

func (l *Log) syncFailed(err error) {
	l.stats.SyncFails++
	if !l.syncFails {
		l.logger.Error("spool cannot be synced, a power cut would lose records", "err", err)
	}
	l.syncFails = true
}

// syncOne syncs a segment while l.mu is held.
func (l *Log) syncOne(s *segment) {
	err := l.disk.sync(s.f)
	if err == nil && l.newNames {
		err = syncDir(l.dir)
	}
	l.newNames = l.newNames && err != nil
	l.synced(s, s.size, err)
}

// syncAll syncs what waits while l.mu is held.
func (l *Log) syncAll() {
	for _, s := range l.segments {
		if s.left.Records > 0 && s.synced < s.size && s.f != nil {
			l.syncOne(s)
		}
	}
}
