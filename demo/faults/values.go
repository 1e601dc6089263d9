package faults

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/value"
)

// has says whether a line holds a value at a time.
func (l *line) has(ms int64, v float64) bool {
	e, ok := l.at[ms]
	return ok && e.bits == math.Float64bits(v)
}

func isStale(bits uint64) bool { return value.IsStaleNaN(math.Float64frombits(bits)) }

// bodyNumber is the number in campaign_body; false for a staleness marker.
func bodyNumber(bits uint64) (int, bool) {
	if isStale(bits) {
		return 0, false
	}
	return int(math.Float64frombits(bits)), true
}

// failures are the times of scrapes that are stored as failed, in milliseconds.
type failures map[int64]bool

// failedScrapes are those of a target. b.mu is held.
func failedScrapes(b *book, target string) failures {
	out := failures{}
	for _, ln := range b.series {
		if ln.target != target || ln.name != "up" {
			continue
		}
		for ms, e := range ln.at {
			if e.bits == 0 {
				out[ms] = true
			}
		}
	}
	return out
}

// failedFor is how long before its request came to the target a failed scrape may have begun.
const failedFor = 2 * time.Second

// take says whether a body that was asked for at a time is of a failed scrape, which excuses no
// other one then.
func (f failures) take(began time.Time) bool {
	for ms := range f {
		if d := began.Sub(time.UnixMilli(ms)); d > -10*time.Millisecond && d < failedFor {
			delete(f, ms)
			return true
		}
	}
	return false
}

func sortedRepeats(in []repeat) []repeat {
	out := slices.Clone(in)
	slices.SortFunc(out, func(a, b repeat) int { return a.again.Compare(b.again) })
	return out
}

func sortedEvents(in []event) []event {
	out := slices.Clone(in)
	slices.SortFunc(out, func(a, b event) int { return a.at.Compare(b.at) })
	return out
}
