package console

import (
	"slices"
	"sync"

	"outrider/telemetry"
)

// lastScrapes keeps the last scrape of each target.
type lastScrapes struct {
	mu      sync.RWMutex
	targets map[string]*lastScrape // by target key
}

// lastScrape is the last scrape of one target. Its slices are used again by the next one.
type lastScrape struct {
	mu     sync.Mutex
	series *telemetry.SeriesSet // nil before the first scrape
	timeMs int64
	values []float64
	rest   []telemetry.Sample // plain floats alone
	// omitted counts what text cannot hold, by index into omissions.
	omitted [len(omissions)]int
	// families groups series. It is made by the first pull that wants it and shared by
	// the next while the shape stays: where nobody pulls, nobody pays.
	families []family
}

func newLastScrapes() *lastScrapes {
	return &lastScrapes{targets: map[string]*lastScrape{}}
}

// SetTargets says which targets there are, by job: what is kept of others is forgotten, and
// a scrape of one that is not known is not kept. Call it before the first scrape of a new
// target.
func (c *Console) SetTargets(targets map[string][]*telemetry.Target) {
	s := c.scrapes
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[string]*lastScrape, len(s.targets))
	for _, ts := range targets {
		for _, t := range ts {
			key := t.Key()
			if next[key] = s.targets[key]; next[key] == nil {
				next[key] = &lastScrape{}
			}
		}
	}
	s.targets = next
}

// Sink keeps a copy of the scrape for /targets/metrics. It is a telemetry.Sink.
func (c *Console) Sink(scrape *telemetry.Scrape) error {
	key := scrape.Target.Key()
	c.scrapes.mu.RLock()
	last := c.scrapes.targets[key]
	c.scrapes.mu.RUnlock()
	if last == nil {
		return nil
	}
	last.set(scrape)
	return nil
}

func (l *lastScrape) set(s *telemetry.Scrape) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.series != s.Series {
		l.series, l.families = s.Series, nil
	}
	l.timeMs = s.TimeMs
	l.values = append(l.values[:0], s.Values...)
	clear(l.rest) // or labels that are gone would stay in memory behind its length
	l.rest = l.rest[:0]
	clear(l.omitted[:])
	for i := range s.Rest {
		switch sample := &s.Rest[i]; {
		case sample.Kind == telemetry.KindHistogram, sample.Kind == telemetry.KindFloatHistogram:
			l.omitted[omittedHistogram]++
		case sample.IsStale():
			l.omitted[omittedStale]++
		case sample.Kind == telemetry.KindFloat:
			l.rest = append(l.rest, *sample)
			l.rest[len(l.rest)-1].Exemplars = nil
		}
	}
}

// read copies what is kept, so that a slow reader of it holds up no scrape. It returns nil
// before the first scrape.
func (l *lastScrape) read() *exposition {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.series == nil {
		return nil
	}
	if l.families == nil {
		l.families = groupSeries(l.series)
	}
	return &exposition{
		series:       l.series,
		timeMs:       l.timeMs,
		values:       slices.Clone(l.values),
		rest:         slices.Clone(l.rest),
		omitted:      l.omitted,
		families:     l.families,
		restFamilies: groupRest(l.rest),
	}
}

// read returns the last scrapes in an order that does not depend on which came last.
func (s *lastScrapes) read() []*exposition {
	s.mu.RLock()
	keys := make([]string, 0, len(s.targets))
	for k := range s.targets {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	all := make([]*lastScrape, len(keys))
	for i, k := range keys {
		all[i] = s.targets[k]
	}
	s.mu.RUnlock()

	var out []*exposition
	for _, l := range all {
		if e := l.read(); e != nil {
			out = append(out, e)
		}
	}
	return out
}
