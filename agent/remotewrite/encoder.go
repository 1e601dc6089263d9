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

	scratch sync.Pool // of *scratch

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
		scratch:    sync.Pool{New: func() any { return new(scratch) }},
		targets:    make(map[*telemetry.Target]*targetCache),
		swept:      time.Now(),
	}
}

// scratch is the memory that encoding one scrape needs for a moment.
type scratch struct{ raw, block []byte }

// maxScratch bounds what is kept for the next scrape.
const maxScratch = 2 * maxRequestBytes

func (e *encoder) release(s *scratch) {
	if cap(s.raw) <= maxScratch && cap(s.block) <= maxScratch {
		e.scratch.Put(s)
	}
}

// targetCache is what an encoder knows of one target.
type targetCache struct {
	mu      sync.Mutex // held while a scrape of the target is encoded and queued
	key     string
	used    time.Time // guarded by encoder.mu
	rl      *relabeller
	shape   *shape // of the last scrape; nil before the first
	lastMs  int64  // of the last scrape
	history history
	rest    restIndex
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
	e.targets[t] = c
	return c
}

// encode makes records of a scrape and hands them to put in their order, with what was left
// out and why. It keeps nothing of the scrape but its labels. Scrapes of one target are put
// one after the other, as they come.
func (e *encoder) encode(s *telemetry.Scrape, m message, lim limits, put func([]record, skipCounts)) {
	now := time.Now()
	c := e.cache(s.Target, now)
	c.mu.Lock()
	defer c.mu.Unlock()

	if s.ClockReset {
		c.lastMs, c.history = 0, history{}
	}
	if s.TimeMs <= c.lastMs {
		var skipped skipCounts
		skipped[skipRepeated] = s.Series.Len() + countSamples(s.Rest)
		put(nil, skipped)
		return
	}
	before := c.shape
	if !c.fits(s, m, lim) {
		c.shape = buildShape(s.Series, c.rl, m, lim, s.TimeMs)
	}
	skipped := c.shape.skipped
	rest := c.rest.collect(e, c, before, s, &skipped)

	sc := e.scratch.Get().(*scratch)
	defer e.release(sc)
	records := make([]record, 0, len(c.shape.pages)+1)
	for i := range c.shape.pages {
		p := &c.shape.pages[i]
		var tail []series
		if i == len(c.shape.pages)-1 && rest.fit(p, c.shape.timeLen, lim) {
			tail, rest.series = rest.series, nil
		}
		r := sc.request(c.shape, p, s, rest.additions(c.shape, i), tail)
		r.queued = now
		records = append(records, r)
	}
	records = append(records, reencode(rest.series, m, lim, now)...)
	c.lastMs = s.TimeMs
	put(records, skipped)
}

// fits says whether the shape of the last scrape serves this one.
func (c *targetCache) fits(s *telemetry.Scrape, m message, lim limits) bool {
	sh := c.shape
	return sh != nil && sh.set == s.Series && sh.message == m && sh.samples == lim.samples &&
		sh.timeLen == timeLen(s.TimeMs)
}

// request makes one request of a page: its series with their values and exemplars, and the
// samples of the tail.
func (sc *scratch) request(sh *shape, p *page, s *telemetry.Scrape, adds []exemplars, tail []series) record {
	r := record{message: sh.message, counts: counts{series: len(p.ends), floats: len(p.ends)}}
	sp := span{minMs: s.TimeMs, maxMs: s.TimeMs}
	var syms *symbols
	if sh.message == v2 {
		syms = newSymbols(p.syms)
	}
	// What is not in the page goes first, for it may bring symbols, and those stand in front.
	var more []byte
	wired := make([]addition, len(adds))
	for i, a := range adds {
		start := len(more)
		more = appendExemplars(more, sh.message, a.samples, syms)
		wired[i] = addition{n: a.n, wire: more[start:len(more):len(more)]}
		r.counts.exemplars += len(a.samples)
	}
	start := len(more)
	for i := range tail {
		more = appendSeries(more, sh.message, &tail[i], syms)
		r.counts.add(tail[i].counts())
		sp.join(tail[i].span())
	}
	raw := sc.raw[:0]
	if syms != nil {
		raw = syms.appendTo(raw)
	}
	raw = p.appendTo(raw, s.Values, sh.source, s.TimeMs, wired)
	raw = append(raw, more[start:]...)
	r.data, sc.block = compress(sc.block, raw)
	sc.raw = raw
	r.minMs, r.maxMs = sp.minMs, sp.maxMs
	return r
}
