package remotewrite

import (
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/telemetry"
)

// encoder makes records of scrapes for one endpoint. It is safe for concurrent use; scrapes
// of one target are taken one after the other.
type encoder struct {
	external   labels.Labels
	rules      []*relabel.Config
	exemplars  bool
	histograms bool

	working sync.Mutex // guards worker; locked behind targetCache.mu
	worker  worker

	mu      sync.Mutex
	targets map[*telemetry.Target]*targetCache
	swept   time.Time
}

func newEncoder(cfg *Config, rules []*relabel.Config, external labels.Labels) *encoder {
	return &encoder{
		external:   external,
		rules:      rules,
		exemplars:  cfg.SendExemplars,
		histograms: cfg.SendNativeHistograms,
		targets:    make(map[*telemetry.Target]*targetCache),
		swept:      time.Now(),
	}
}

// targetCache is what an encoder knows of one target.
type targetCache struct {
	mu      sync.Mutex // held while a scrape of the target is encoded and queued
	key     string
	used    time.Time // guarded by encoder.mu
	rl      *relabeller
	shape   shape // of the last scrape
	lastMs  int64 // of the last scrape
	history history
}

// Caches of targets that were not scraped for this long are let go.
const (
	forgetTarget = time.Hour
	sweepTargets = 5 * time.Minute
)

// cache returns the cache of a target, which may have come back as another value with the
// same key.
func (e *encoder) cache(t *telemetry.Target, now time.Time) *targetCache {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.swept) > sweepTargets {
		for k, c := range e.targets {
			if now.Sub(c.used) > forgetTarget {
				delete(e.targets, k)
			}
		}
		e.swept = now
	}
	if c, ok := e.targets[t]; ok {
		c.used = now
		return c
	}
	key := t.Key()
	for old, c := range e.targets {
		if c.key == key {
			delete(e.targets, old)
			e.targets[t] = c
			c.used = now
			return c
		}
	}
	c := &targetCache{key: key, used: now, rl: newRelabeller(e.external, e.rules)}
	c.shape.rl = c.rl
	e.targets[t] = c
	return c
}

// encode makes records of a scrape, hands them to put one by one in their order, and returns
// what was left out and why. It keeps nothing of the scrape but its labels; the data of a
// record is valid until put returns. Scrapes of one target are put one after the other, as
// they come.
func (e *encoder) encode(s *telemetry.Scrape, m message, lim limits, put func(record)) (skipped skipCounts) {
	now := time.Now()
	c := e.cache(s.Target, now)
	c.mu.Lock()
	defer c.mu.Unlock()

	if s.ClockReset {
		c.lastMs, c.history = 0, history{}
	}
	if s.TimeMs <= c.lastMs {
		skipped[skipRepeated] = s.Series.Len() + countSamples(s.Rest)
		return skipped
	}
	e.working.Lock()
	defer e.working.Unlock()
	w := &e.worker
	defer w.release()

	sh := &c.shape
	sh.follow(w, s, m, lim)
	skipped = sh.skipped
	rest := w.rest.collect(e, c, s, &skipped)
	sh.forget()
	last := sh.lastGroup()
	for _, g := range sh.groups {
		if g.kept == 0 {
			continue
		}
		var tail []series
		if g == last && rest.fit(g, lim) {
			tail, rest.series = rest.series, nil
		}
		r := w.request(sh, g, s, &rest, tail)
		r.queued = now
		put(r)
	}
	for _, r := range reencode(rest.series, m, lim, now) {
		put(r)
	}
	c.lastMs = s.TimeMs
	return skipped
}
