package agent

import (
	"math"
	"sync"
	"time"

	"outrider/telemetry"
)

// startTimeMetric is what client libraries of the field call the start of their process.
const startTimeMetric = "process_start_time_seconds"

// lives remembers when the process behind each target started, as its own metrics tell. The
// profiler needs it: deltas are only taken between captures of one life.
type lives struct {
	mu      sync.Mutex
	started map[string]time.Time // by job and instance, which metrics and profiles share
	seen    map[string]lifeIndex // by target key
}

// lifeIndex saves looking for the series again while the shape of the exposition stays.
type lifeIndex struct {
	series *telemetry.SeriesSet
	block  *telemetry.Block // that has it; nil: not there
	at     int              // in series
}

// find looks for the series, first in the block that had it last.
func (x *lifeIndex) find(set *telemetry.SeriesSet) {
	former := x.block
	*x = lifeIndex{series: set}
	start := 0
	for _, b := range set.Blocks() {
		if former == nil || b == former {
			if i := b.Find(startTimeMetric); i >= 0 {
				x.block, x.at = b, start+i
				return
			}
		}
		start += b.Len()
	}
	if former != nil { // that block is gone
		x.find(set)
	}
}

func newLives() *lives {
	return &lives{started: map[string]time.Time{}, seen: map[string]lifeIndex{}}
}

// Sink notes the start time that a scrape carries, if it does.
func (l *lives) Sink(s *telemetry.Scrape) error {
	if s.Failed {
		return nil
	}
	key := s.Target.Key()
	l.mu.Lock()
	defer l.mu.Unlock()
	idx, ok := l.seen[key]
	if !ok || idx.series != s.Series {
		idx.find(s.Series)
		l.seen[key] = idx
	}
	if idx.block == nil {
		return nil
	}
	seconds := s.Values[idx.at]
	if !(seconds > 0) || seconds > math.MaxInt32 {
		return nil
	}
	l.started[lifeKey(s.Target)] = time.UnixMilli(int64(seconds * 1000))
	return nil
}

// Life returns when the target's process started, if its metrics have told.
func (l *lives) Life(t *telemetry.Target) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	start, ok := l.started[lifeKey(t)]
	return start, ok
}

// keep forgets all targets but these.
func (l *lives) keep(targets map[string][]*telemetry.Target) {
	keys, names := map[string]bool{}, map[string]bool{}
	for _, ts := range targets {
		for _, t := range ts {
			keys[t.Key()] = true
			names[lifeKey(t)] = true
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.seen {
		if !keys[k] {
			delete(l.seen, k)
		}
	}
	for k := range l.started {
		if !names[k] {
			delete(l.started, k)
		}
	}
}

func lifeKey(t *telemetry.Target) string {
	return t.Labels.Get("job") + "\xff" + t.Instance()
}
