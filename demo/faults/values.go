package faults

import (
	"math"
	"slices"

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
