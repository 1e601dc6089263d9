package scrape

import (
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// series is one final series of a target: what several lines may mean, what a sample is
// delivered as. There is one for each label set, so pointers can be compared.
type series struct {
	labels labels.Labels
	next   *series // same hash, other labels

	// meta describes the family of the series, nil when nothing is known. It holds as long
	// as the exposition says metaSrc before the series.
	meta    *telemetry.Metadata
	metaSrc *telemetry.Metadata

	iter    uint64 // the last scrape of which the parser has read it; see state.met
	tracked uint64 // the last scrape that had it and has to be followed by a marker
	lastMs  int64  // the newest timestamp given, but for those of plain samples: see state.last
	column  int32  // in state.plain, if inPlain
	inPlain bool   // it is in state.plain
	ownTime bool   // it has had timestamps of its own
	report  bool   // the sidecar's own: a service cannot have it

	exemplar *exemplar.Exemplar // the newest given, nil for none
}

// seriesTable finds series by their labels.
type seriesTable struct {
	byHash map[uint64]*series
	len    int
}

func newSeriesTable() seriesTable {
	return seriesTable{byHash: map[uint64]*series{}}
}

// find returns the series with these labels, or nil.
func (t *seriesTable) find(lset labels.Labels) *series {
	for s := t.byHash[lset.Hash()]; s != nil; s = s.next {
		if labels.Equal(s.labels, lset) {
			return s
		}
	}
	return nil
}

// add puts in a series that is not there yet.
func (t *seriesTable) add(s *series) {
	hash := s.labels.Hash()
	s.next = t.byHash[hash]
	t.byHash[hash] = s
	t.len++
}

// sweep removes the series that keep does not want.
func (t *seriesTable) sweep(keep func(*series) bool) {
	for hash, s := range t.byHash {
		var head *series
		for s != nil {
			next := s.next
			if keep(s) {
				s.next, head = head, s
			} else {
				t.len--
			}
			s = next
		}
		if head == nil {
			delete(t.byHash, hash)
		} else {
			t.byHash[hash] = head
		}
	}
}

// forgetTimes allows samples and exemplars older than those given so far, after the clock was
// set back.
func (t *seriesTable) forgetTimes() {
	for _, s := range t.byHash {
		for ; s != nil; s = s.next {
			s.lastMs, s.exemplar = 0, nil
		}
	}
}
