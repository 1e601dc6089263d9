package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"outrider/agent/spool"
)

// lane is one of the ways to an endpoint: a queue with a sender of its own. A target always
// takes the same one, so that its samples stay in order.
type lane struct {
	queue *queue
	hurry chan struct{} // cuts a wait between two tries short
}

// lanesOf says how many lanes there are and of what kind.
type lanesOf struct {
	shards     int
	freshFirst bool
}

func lanesWanted(cfg *Config) lanesOf {
	return lanesOf{shards: max(1, cfg.Shards), freshFirst: cfg.Order == FreshFirst}
}

// laneDir names the directory of a lane, and with it how many there were when it was made.
func laneDir(index, shards int) string { return fmt.Sprintf("%d-of-%d", index, shards) }

const behindSuffix = "-behind" // the log of what is no longer fresh

// endpointDir makes a file name of the name of an endpoint.
func endpointDir(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if s := b.String(); len(s) <= 200 {
		return s
	}
	return fmt.Sprintf("%%%016x", hashKey(name)) // no name becomes this: % is followed by two digits
}

// logSet opens the logs of one endpoint. Those that it has opened already are given again.
type logSet struct {
	dir    string // empty: in memory
	limits spool.Limits
	logger *slog.Logger
	open   map[string]*spool.Log // by the name of the directory
	broken atomic.Bool           // the disk did not let a log be opened
}

// get opens a log. Where the disk does not let it, the log is in memory: the sidecar rides on.
func (s *logSet) get(name string) (*spool.Log, error) {
	if l := s.open[name]; l != nil {
		return l, nil
	}
	o := spool.Options{Limits: s.limits, Logger: s.logger}
	if s.dir != "" {
		o.Dir = filepath.Join(s.dir, name)
	}
	l, err := spool.Open(o)
	if inUse := (*spool.InUseError)(nil); errors.As(err, &inUse) {
		return nil, err
	}
	if err != nil {
		s.logger.Error("spool cannot be opened, keeping requests in memory until the next start", "dir", o.Dir, "err", err)
		s.broken.Store(true)
		o.Dir, o.Limits = "", s.inMemory()
		if l, err = spool.Open(o); err != nil {
			return nil, err
		}
	}
	s.open[name] = l
	return l, nil
}

// inMemory are the limits of a log for which there is no disk.
func (s *logSet) inMemory() spool.Limits {
	l := s.limits
	l.MaxBytes = min(l.MaxBytes, DefaultQueueBytes)
	return l
}

// setLimits brings the limits to the logs that are open.
func (s *logSet) setLimits() {
	for _, l := range s.open {
		limits := s.limits
		if l.Dir() == "" && s.dir != "" {
			limits = s.inMemory()
		}
		l.SetLimits(limits)
	}
}

// lanes opens the logs of so many lanes.
func (s *logSet) lanes(want lanesOf) ([]*lane, error) {
	lanes := make([]*lane, want.shards)
	for i := range lanes {
		name := laneDir(i, want.shards)
		log, err := s.get(name)
		if err != nil {
			return nil, err
		}
		var behind *spool.Log
		if want.freshFirst {
			if behind, err = s.get(name + behindSuffix); err != nil {
				return nil, err
			}
		}
		lanes[i] = &lane{queue: newQueue(log, behind, s.logger), hurry: make(chan struct{}, 1)}
	}
	return lanes, nil
}

// leftovers opens the logs of lanes that are not among those wanted, from before the
// configuration was changed, the one with the oldest request first.
func (s *logSet) leftovers(lanes []*lane) (old []*spool.Log, err error) {
	used := make(map[*spool.Log]bool)
	for _, la := range lanes {
		for _, l := range la.queue.logs {
			used[l.Log] = true
		}
	}
	names := make(map[string]bool)
	for name := range s.open {
		names[name] = true
	}
	if s.dir != "" {
		entries, err := os.ReadDir(s.dir)
		if err != nil {
			s.broken.Store(true) // get has told why
		}
		for _, e := range entries {
			var i, n int
			name := strings.TrimSuffix(e.Name(), behindSuffix)
			if _, err := fmt.Sscanf(name, "%d-of-%d", &i, &n); err == nil && laneDir(i, n) == name && e.IsDir() {
				names[e.Name()] = true
			}
		}
	}
	for name := range names {
		l, err := s.get(name)
		if err != nil {
			return nil, err
		}
		if !used[l] {
			old = append(old, l)
		}
	}
	slices.SortFunc(old, func(a, b *spool.Log) int { return a.Stats().Oldest.Compare(b.Stats().Oldest) })
	return old, nil
}

// drop closes a log of which nothing is left, and removes it.
func (s *logSet) drop(l *spool.Log) {
	for name, o := range s.open {
		if o == l {
			delete(s.open, name)
		}
	}
	err := l.Close()
	if dir := l.Dir(); dir != "" {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		s.logger.Warn("remove spool directory", "err", err)
	}
}

// close closes all logs.
func (s *logSet) close() {
	for _, l := range s.open {
		if err := l.Close(); err != nil {
			s.logger.Warn("close spool", "err", err)
		}
	}
}

// adopt moves all that waits in a log to the lanes of its targets. Each record is there at any
// time, for a moment twice. It is false when the disk does not take all of it.
func adopt(l *spool.Log, lanes []*lane) (all bool, err error) {
	for {
		raw, ok, err := l.TryPeek()
		if !ok || err != nil {
			return err == nil, err
		}
		r, err := readRecord(raw)
		if err != nil {
			l.Reject()
			continue
		}
		q := laneFor(lanes, r.target).queue
		to := q.log
		if q.behind != nil {
			to = q.behind
		}
		if to.Dir() == "" && l.Dir() != "" {
			return false, nil // it is safer where it is
		}
		if err := q.appendTo(to, r); err != nil {
			return false, err
		}
		if to.Dir() != "" && to.Stats().DiskFailing {
			return false, nil
		}
		l.Advance()
	}
}

func laneFor(lanes []*lane, target uint64) *lane { return lanes[target%uint64(len(lanes))] }

// run keeps the logs of the lane safe and delivers what is in them, until ctx is done.
func (la *lane) run(ctx context.Context, s *sender) {
	var wg sync.WaitGroup
	for _, l := range la.queue.logs {
		wg.Go(func() { _ = l.Run(ctx) }) // it ends with ctx, and has no other error
	}
	s.run(ctx)
	wg.Wait()
}
