package scrape

import (
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// state is all that is remembered of a target from scrape to scrape. What is parsed into it
// is then accepted or rejected; or the state is thrown away. Not safe for concurrent use.
type state struct {
	rules   *rules
	builder *labels.Builder

	// iter numbers the scrapes; good is the last one that was accepted.
	iter, good uint64

	lines    map[string]*line // by the bytes before the value
	series   seriesTable
	families families
	report   []*series

	// What was delivered last. plain is the sequence behind set; live says that its series
	// still run: when a scrape fails they get their markers, but the shape is kept. others
	// run outside of set: native histograms, and tracked series with their own timestamps.
	set       *telemetry.SeriesSet
	plain     []*series
	live      bool
	others    []*series
	reportSet *telemetry.SeriesSet
	reported  bool // something was delivered, so the report series run

	draft    draft
	exemplar exemplar.Exemplar // what parsers write to; here so that it is not allocated again
}

// line is what one line of the exposition, up to its value, means.
type line struct {
	series *series // nil: dropped by relabelling
	iter   uint64  // the last scrape that had it
}

// draft is what a parse has gathered. Its slices are used again by the next one.
type draft struct {
	values []float64
	same   bool      // values[i] belongs to plain[i], so far
	next   []*series // the sequence, once it is not the same
	remade bool      // the sequence may be the same, its metadata is not
	others []*series
	rest   []telemetry.Sample
	undo   []undo
	taken  int // samples, for sample_limit
	// How many different ones were met, to know when others can be forgotten.
	lines, series, families int
}

// undo is what a series had been given before it was given something of this draft.
type undo struct {
	series   *series
	lastMs   int64
	exemplar *exemplar.Exemplar
}

const (
	// keepSeries is for how many scrapes a series that vanished is remembered if it had
	// timestamps of its own, should it come back with an older one.
	keepSeries = 10
	// strayLines is how many lines of failed scrapes are kept beyond twice those of the
	// last good one, in case they belong to the next.
	strayLines = 1000
	// keepRest is the capacity of rest that is kept however little of it is used.
	keepRest = 1024
)

func newState(r *rules) *state {
	st := &state{
		rules:    r,
		builder:  labels.NewBuilder(labels.EmptyLabels()),
		iter:     1,
		good:     1,
		lines:    map[string]*line{},
		series:   newSeriesTable(),
		families: families{},
		report:   newReportSeries(r.target),
	}
	for _, s := range st.report {
		st.series.add(s)
	}
	st.reportSet = newSet(nil, st.report)
	return st
}

// setRules makes the next scrape go by other rules. Series that both make go on.
func (st *state) setRules(r *rules) {
	st.rules = r
	clear(st.lines)
}

func newSet(plain, report []*series) *telemetry.SeriesSet {
	lsets := make([]labels.Labels, 0, len(plain)+len(report))
	metas := make([]*telemetry.Metadata, 0, len(plain)+len(report))
	for _, part := range [][]*series{plain, report} {
		for _, s := range part {
			lsets = append(lsets, s.labels)
			metas = append(metas, s.meta)
		}
	}
	return telemetry.NewSeriesSet(lsets, metas)
}

// begin starts a draft.
func (st *state) begin() {
	d := &st.draft
	if cap(d.rest) > keepRest && len(d.rest) < cap(d.rest)/4 {
		d.rest = nil
	}
	clear(d.rest)
	clear(d.undo)
	*d = draft{
		values: d.values[:0],
		same:   st.set != nil,
		next:   d.next[:0],
		others: d.others[:0],
		rest:   d.rest[:0],
		undo:   d.undo[:0],
	}
	st.iter++
}

// push adds a plain sample. As long as the shape is that of last time only the value is kept.
func (d *draft) push(plain []*series, s *series, v float64) {
	i := len(d.values)
	d.values = append(d.values, v)
	if d.same {
		if i < len(plain) && plain[i] == s {
			return
		}
		d.same = false
		d.next = append(d.next[:0], plain[:i]...)
	}
	d.next = append(d.next, s)
}

// accept makes the scrape of what was parsed, with markers for what is no longer there. Its
// slices are good until the next draft.
func (st *state) accept(target *telemetry.Target, timeMs int64, r report) *telemetry.Scrape {
	d := &st.draft
	if d.same && len(d.values) < len(st.plain) {
		d.same = false
		d.next = append(d.next[:0], st.plain[:len(d.values)]...)
	}
	if !d.same {
		if st.live {
			st.endMissing(st.plain, timeMs)
		}
		st.plain, d.next = d.next, st.plain
		clear(d.next) // or series that are gone would stay in memory
	}
	if !d.same || d.remade {
		st.set = newSet(st.plain, st.report)
	}
	st.endMissing(st.others, timeMs)
	st.others, d.others = d.others, st.others
	clear(d.others)
	d.undo = d.undo[:0]
	d.values = r.values(d.values)
	st.live, st.reported = true, true
	st.good = st.iter
	st.sweep()
	return &telemetry.Scrape{Target: target, TimeMs: timeMs, Series: st.set, Values: d.values, Rest: d.rest}
}

// reject makes the scrape of a failure: whatever was parsed is forgotten, and everything that
// ran gets its marker.
func (st *state) reject(target *telemetry.Target, timeMs int64, r report) *telemetry.Scrape {
	d := &st.draft
	for i := len(d.undo) - 1; i >= 0; i-- {
		u := &d.undo[i]
		u.series.lastMs, u.series.exemplar = u.lastMs, u.exemplar
	}
	d.undo = d.undo[:0]
	clear(d.rest)
	d.rest = d.rest[:0]
	st.endAll(timeMs)
	d.values = r.values(d.values[:0])
	st.reported = true
	if len(st.lines)+len(st.families) > 2*len(st.plain)+strayLines {
		st.sweep()
	}
	return &telemetry.Scrape{Target: target, TimeMs: timeMs, Series: st.reportSet, Values: d.values, Rest: d.rest, Failed: true}
}

// last makes the scrape that ends everything at timeMs, the report series too. It is nil when
// there is nothing to end.
func (st *state) last(target *telemetry.Target, timeMs int64) *telemetry.Scrape {
	if !st.reported {
		return nil
	}
	st.begin()
	st.endAll(timeMs)
	for _, s := range st.report {
		st.end(s, timeMs)
	}
	st.reported = false
	return &telemetry.Scrape{Target: target, TimeMs: timeMs, Series: newSet(nil, nil), Rest: st.draft.rest}
}

// endMissing ends the series that ran and are not in the draft. One that was given a sample
// with a later timestamp of its own needs no marker, and could not take it.
func (st *state) endMissing(running []*series, timeMs int64) {
	for _, s := range running {
		if s.tracked != st.iter && s.lastMs < timeMs {
			st.end(s, timeMs)
		}
	}
}

// endAll ends every series that runs, and keeps the shape for when they come back.
func (st *state) endAll(timeMs int64) {
	running := [][]*series{st.others}
	if st.live {
		running = append(running, st.plain)
	}
	for _, part := range running {
		for _, s := range part {
			if s.lastMs <= timeMs { // equal when the draft that was rejected had it
				st.end(s, timeMs)
			}
		}
	}
	clear(st.others)
	st.others = st.others[:0]
	st.live = false
}

func (st *state) end(s *series, timeMs int64) {
	st.draft.rest = append(st.draft.rest, telemetry.Stale(s.labels, timeMs))
	s.lastMs = timeMs
}

// sweep forgets the lines, series and families that the draft did not have.
func (st *state) sweep() {
	d := &st.draft
	if len(st.lines) > d.lines {
		for key, l := range st.lines {
			if l.iter != st.iter {
				delete(st.lines, key)
			}
		}
	}
	if st.series.len > d.series+len(st.report) {
		st.series.sweep(func(s *series) bool {
			return s.report || s.iter == st.iter || s.ownTime && st.iter-s.iter <= keepSeries
		})
	}
	if len(st.families) > d.families {
		st.families.sweep(st.iter)
	}
}
