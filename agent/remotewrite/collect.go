package remotewrite

import (
	"bytes"
	"slices"
	"time"
)

// collection gathers the samples of suspects, which come with each scrape, in one file of the
// quarantine. The file is written over with each addition, so that at any time it holds all
// that was accounted for.
type collection struct {
	path    string // empty: no file yet
	since   time.Time
	samples int
	all     []series
	at      map[string]int // series.appendKey -> index in all
}

const (
	collectFor     = 10 * time.Minute
	collectSamples = 1000 // or ten times those of the last addition
)

// takes says whether so many samples may be added.
func (c *collection) takes(samples int, now time.Time) bool {
	return c.path != "" && now.Sub(c.since) < collectFor && c.samples+samples <= max(collectSamples, 10*samples)
}

// add takes copies of series, each joined with what there is of it.
func (c *collection) add(part []series) {
	for i := range part {
		s := &part[i]
		key := string(s.appendKey(nil))
		n, ok := c.at[key]
		if !ok {
			n = len(c.all)
			c.at[key] = n
			c.all = append(c.all, series{labels: slices.Clone(s.labels), metadata: s.metadata})
		}
		c.all[n].floats = append(c.all[n].floats, s.floats...)
		for _, h := range s.histograms {
			c.all[n].histograms = append(c.all[n].histograms, histogramSample{wire: bytes.Clone(h.wire), timeMs: h.timeMs})
		}
		c.samples += s.counts().samples()
	}
}

// isolateSuspects puts samples of series that were refused before in quarantine, together
// with those of a while.
func (s *sender) isolateSuspects(part []series, from record, why error) {
	now, n := time.Now(), sumCounts(part).samples()
	c := &s.collected
	if s.quarantine == nil || !c.takes(n, now) {
		*c = collection{since: now, at: make(map[string]int)}
	}
	c.add(part)
	if path, ok := s.keep(c.all, n, c.path, from, why); ok {
		c.path = path
	} else {
		*c = collection{}
	}
}
