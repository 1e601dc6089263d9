package scrape

import (
	"github.com/prometheus/prometheus/model/exemplar"

	"outrider/telemetry"
)

// series is one final series of a target: what several lines may mean, what a sample is
// delivered as. There is one for each label set, so pointers can be compared.
type series struct {
	labels telemetry.Coded // of state.syms

	// meta describes the family of the series, nil when nothing is known. It holds as long
	// as the exposition says metaSrc before the series.
	meta    *telemetry.Metadata
	metaSrc *telemetry.Metadata

	exemplar *exemplar.Exemplar // the newest given, nil for none
	lastMs   int64              // the newest timestamp given, but for those of plain samples: see state.last

	iter    uint32 // the last scrape of which the parser has read it; see state.met
	tracked uint32 // the last scrape that had it and has to be followed by a marker
	column  int32  // in state.plain, if inPlain
	inPlain bool   // it is in state.plain
	ownTime bool   // it has had timestamps of its own
	report  bool   // the sidecar's own: a service cannot have it
}

// seriesTable finds series by their labels.
type seriesTable map[telemetry.Coded]*series

// add puts in a series that is not there yet.
func (t seriesTable) add(s *series) { t[s.labels] = s }

// sweep removes the series that keep does not want.
func (t seriesTable) sweep(keep func(*series) bool) {
	for key, s := range t {
		if !keep(s) {
			delete(t, key)
		}
	}
}

// forgetTimes allows samples and exemplars older than those given so far, after the clock was
// set back.
func (t seriesTable) forgetTimes() {
	for _, s := range t {
		s.lastMs, s.exemplar = 0, nil
	}
}
