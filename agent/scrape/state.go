package scrape

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// state is all that is remembered of a target from scrape to scrape. What is parsed into it
// is then accepted or rejected; or the state is thrown away. Not safe for concurrent use.
type state struct {
	rules   *rules
	builder *labels.Builder
	joiner  joiner

	// iter numbers the scrapes; good is the last one that was accepted.
	iter, good uint32
	newestMs   int64 // time of the last scrape that was accepted or rejected

	lines    map[string]*line   // by the bytes before the value; not those that the layout has
	syms     *telemetry.Symbols // of the labels of all series
	recoded  int                // length of syms when it was made, or made anew
	series   seriesTable
	families families
	report   []*series

	// What was delivered last. plain is the sequence behind set, values are its last ones, of
	// plainMs; live says that its series still run: when a scrape fails they get their
	// markers, but the shape is kept. others run outside of set: native histograms, and
	// tracked series with their own timestamps.
	set       *telemetry.SeriesSet
	plain     []*series
	values    []float64
	plainMs   int64
	live      bool
	others    []*series
	reportSet *telemetry.SeriesSet
	reported  bool // something was delivered, so the report series run

	// layout is what the last good body means, nil if it has none; next is the memory of the
	// one before, for the next one.
	layout   *layout
	next     layout
	scanner  scanner
	slowOnly bool // no layouts at all
	// strikes counts the bodies in a row that had too little of the layout for it to be of
	// use. After some of them none is made for a while.
	strikes int
	spares  []byte // memory of a body that nobody needs any more
	keeps   bool   // the body parsed last has become the layout's

	// outline stands for the body of the layout while the target is at rest: for the last
	// quiet scrapes, at least restAfter, nothing but values has changed.
	outline          *outline
	quiet, restAfter int
	follower         follower

	guard guard
	draft draft
	// What is made anew with each scrape; here so that it is not allocated again.
	scrape   telemetry.Scrape
	exemplar exemplar.Exemplar
}

// line is what one line of the exposition, up to its value, means.
type line struct {
	series  *series          // nil: dropped by relabelling, or kept out
	keptOut bool             // there is no room for the series
	typ     model.MetricType // declared before it, which parsers make use of
	iter    uint32           // the last scrape that had it
}

// draft is what a parse has gathered. Its slices are used again by the next one.
type draft struct {
	same   bool      // the columns are those of plain, so far: col of them, whose values are in state.values
	col    int       // once they are not the same: how many were
	next   []*series // the sequence, once it is not the same
	values []float64 // of next
	remade bool      // the sequence may be the same, its metadata is not
	others []*series
	rest   []telemetry.Sample
	undo   []undo
	taken  int // samples, for sample_limit
	// How many different ones were met, to know when others can be forgotten.
	lines, series, families int

	content  []byte // of the body, for a layout; nil if there will be none
	replayed bool   // the layout was of use
	repeated bool   // all is as in it, but for places and values
	recorded bool   // state.next is the layout
	strange  bool   // a series has a plain sample and its own timestamps for the first time
	reworded bool   // metadata is not what it was, of a family or of a series in plain
	spoke    spoke  // how the parser has ended
}

// columns is the number of plain samples so far.
func (d *draft) columns() int {
	if d.same {
		return d.col
	}
	return len(d.next)
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
	// keepRest is the capacity of rest and undo that is kept however little of it is used.
	keepRest = 1024

	// maxStrikes is how many bodies in a row may make nothing of the layout, retryStrikes
	// for how many more none is made then.
	maxStrikes   = 4
	retryStrikes = 100
)

func newState(r *rules) *state {
	st := &state{
		rules:    r,
		builder:  labels.NewBuilder(labels.EmptyLabels()),
		iter:     1,
		good:     1,
		lines:    map[string]*line{},
		syms:     telemetry.NewSymbols(),
		series:   seriesTable{},
		families: families{},

		restAfter: restAfter,
	}
	st.report = newReportSeries(st.syms, r.target)
	for _, s := range st.report {
		st.series.add(s)
	}
	st.reportSet = telemetry.JoinBlocks([]*telemetry.Block{st.newBlock(st.report)})
	return st
}

// setRules makes the next scrape go by other rules. Series that both make go on.
func (st *state) setRules(r *rules) {
	st.wake()
	st.rules = r
	st.dropLayout()
	st.strikes = 0
	clear(st.lines)
}

// forgetTimes allows samples and exemplars older than those given so far, after the clock was
// set back.
func (st *state) forgetTimes() {
	st.wake()
	st.series.forgetTimes()
	st.plainMs, st.newestMs = 0, 0
}

// begin starts a draft.
func (st *state) begin() {
	d := &st.draft
	if cap(d.rest) > keepRest && len(d.rest) < cap(d.rest)/4 {
		d.rest = nil
	}
	if cap(d.undo) > keepRest && len(d.undo) < cap(d.undo)/4 {
		d.undo = nil
	}
	clear(d.rest)
	clear(d.undo)
	*d = draft{
		same:   st.set != nil,
		next:   d.next[:0],
		values: d.values[:0],
		others: d.others[:0],
		rest:   d.rest[:0],
		undo:   d.undo[:0],
	}
	st.guard.forget()
	st.iter++
}

// mayRepeat says whether a body may be compared with the layout.
func (st *state) mayRepeat(contentType string, timeMs int64) bool {
	return st.layout != nil && st.layout.contentType == contentType && timeMs > st.newestMs
}

// mayRecord says whether a layout is to be made of a body that the parser reads.
func (st *state) mayRecord() bool {
	if st.strikes >= maxStrikes {
		if st.strikes++; st.strikes > maxStrikes+retryStrikes {
			st.strikes = 0
		}
	}
	return !st.slowOnly && st.strikes < maxStrikes
}

// met says whether the draft has a sample of the series already.
func (st *state) met(s *series) bool {
	return s.iter == st.iter || s.inPlain && int(s.column) < st.draft.col
}

// meet notes that the draft has a sample of a series that it had not met.
func (st *state) meet(s *series) {
	s.iter = st.iter
	st.draft.series++
}

// known says whether the last good scrape had the series, or the parser has read it since.
func (st *state) known(s *series) bool { return s.report || s.inPlain || s.iter >= st.good }

// last is the newest timestamp that the series was given, those of the draft included.
func (st *state) last(s *series, timeMs int64) int64 {
	switch {
	case s.inPlain && int(s.column) < st.draft.col:
		return max(s.lastMs, timeMs)
	case s.inPlain:
		return max(s.lastMs, st.plainMs)
	}
	return s.lastMs
}

// push adds a plain sample. As long as the shape is that of last time only the value is kept.
func (st *state) push(s *series, v float64) {
	d := &st.draft
	if d.same {
		if d.col < len(st.plain) && st.plain[d.col] == s {
			st.values[d.col] = v
			d.col++
			return
		}
		st.diverge()
	}
	d.next = append(d.next, s)
	d.values = append(d.values, v)
}

// diverge gives the draft columns of its own: the next one is not as it was.
func (st *state) diverge() {
	d := &st.draft
	d.same = false
	d.next = append(d.next[:0], st.plain[:d.col]...)
	d.values = append(d.values[:0], st.values[:d.col]...)
}

// accept makes the scrape of what was parsed, with markers for what is no longer there. Its
// slices, and it itself, are good until the next draft.
func (st *state) accept(target *telemetry.Target, timeMs int64, r report) *telemetry.Scrape {
	d := &st.draft
	if d.same && d.col < len(st.plain) {
		st.diverge()
	}
	switch {
	case !d.same:
		st.reshape(timeMs)
	case d.remade:
		st.set = st.newSet(st.plain)
	}
	for _, s := range st.others {
		st.endMissing(s, timeMs)
	}
	st.others, d.others = d.others, st.others
	clear(d.others)
	d.undo = d.undo[:0]
	st.live, st.reported = true, true
	st.plainMs, st.newestMs = timeMs, timeMs
	st.good = st.iter
	st.keepLayout()
	d.reworded, d.replayed = false, false
	st.sweep()
	if st.recoded == 0 {
		st.recoded = st.syms.Len()
	} else if st.mayRecode() {
		st.recode()
	}
	st.values = r.values(st.values[:len(st.plain)])
	st.scrape = telemetry.Scrape{Target: target, TimeMs: timeMs, Series: st.set, Values: st.values, Rest: d.rest}
	return &st.scrape
}

// reshape puts the columns of the draft in the place of the former ones.
func (st *state) reshape(timeMs int64) {
	d := &st.draft
	if st.set == nil || d.remade || !slices.Equal(d.next[d.col:], st.plain[d.col:]) { // else only the lines are others
		st.set = st.newSet(d.next)
	}
	for _, s := range st.plain[d.col:] {
		s.inPlain = false
		s.lastMs = max(s.lastMs, st.plainMs)
	}
	for i, s := range d.next[d.col:] {
		s.inPlain, s.column = true, int32(d.col+i)
	}
	for _, s := range st.plain[d.col:] {
		if s.inPlain {
			continue
		}
		if st.live {
			st.endMissing(s, timeMs)
		}
		if !st.keepsSeries(s) { // so that sweep need not look at all of them
			delete(st.series, s.labels)
		}
	}
	st.plain, d.next = d.next, st.plain
	st.values, d.values = d.values, st.values
	clear(d.next) // or series that are gone would stay in memory
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
	sweep := len(st.lines)+len(st.families) > 2*len(st.plain)+strayLines
	switch {
	case st.layout == nil || st.outline != nil:
	case d.reworded || d.strange || sweep: // it would not know what has changed, or has been forgotten
		st.dropLayout()
	default:
		st.layout.reload(st.values)
	}
	if d.replayed {
		st.mention(st.next.families) // up to where it failed
	}
	d.reworded, d.replayed = false, false
	d.values = r.values(d.values[:0])
	st.reported = true
	st.newestMs = timeMs
	if sweep {
		st.sweep()
	}
	st.scrape = telemetry.Scrape{Target: target, TimeMs: timeMs, Series: st.reportSet, Values: d.values, Rest: d.rest, Failed: true}
	return &st.scrape
}

// finish makes the scrape that ends everything at timeMs, the report series too. It is nil when
// there is nothing to end.
func (st *state) finish(target *telemetry.Target, timeMs int64) *telemetry.Scrape {
	if !st.reported {
		return nil
	}
	st.begin()
	st.endAll(timeMs)
	for _, s := range st.report {
		st.end(s, timeMs)
	}
	st.reported = false
	return &telemetry.Scrape{Target: target, TimeMs: timeMs, Series: telemetry.NewSeriesSet(nil, nil), Rest: st.draft.rest}
}

// endMissing ends a series that ran if it is not in the draft. One that was given a sample
// with a later timestamp of its own needs no marker, and could not take it.
func (st *state) endMissing(s *series, timeMs int64) {
	if s.tracked != st.iter && s.lastMs < timeMs {
		st.end(s, timeMs)
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
	st.draft.rest = append(st.draft.rest, telemetry.Stale(st.syms.Decode(s.labels), timeMs))
	s.lastMs = timeMs
}
