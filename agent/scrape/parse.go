package scrape

import (
	"bytes"
	"errors"
	"io"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"outrider/telemetry"
)

// tally counts what a parse has met.
type tally struct {
	scraped int // samples exposed
	kept    int // of those, left after relabelling
	added   int // series that the last good scrape did not have

	duplicates int           // samples of a series that had one already
	duplicate  labels.Labels // the first such series

	excess      int // samples beyond sample_limit
	firstExcess labels.Labels

	tooNew, tooOld, outOfOrder int // samples dropped for their own timestamps
	exemplars                  int // exemplars dropped

	keptOut int // samples of series for which series_limit has no room
}

// sample is one sample as the parser gave it.
type sample struct {
	raw   []byte // what stands for the series
	ts    *int64
	value float64
	hist  *histogram.Histogram
	fhist *histogram.FloatHistogram
	spoke // before it
	// once says that the line is not to be remembered: a layout does that.
	once bool
}

func (s *sample) isHistogram() bool { return s.hist != nil || s.fhist != nil }

// parse reads an exposition into the draft. A sample without a timestamp of its own is of
// timeMs. On an error, always a *failure, the tally says how far it came.
//
// When the draft is accepted the state keeps the memory of body, and gives back that of an
// earlier one: see spare.
func (st *state) parse(body []byte, contentType string, timeMs int64) (tally, error) {
	st.begin()
	if st.mayRepeat(contentType, timeMs) {
		if st.outline != nil && st.follow(contentType).finish(body) {
			return st.repeatAll(), nil
		}
		st.wake()
		if st.scan(body) {
			st.strikes, st.draft.replayed = 0, true
			st.draft.content = st.scanner.body
			return st.replay(timeMs)
		}
		st.strikes++
	}
	st.wake()
	return st.parseWhole(body, contentType, timeMs)
}

// parseWhole has the parser read all of a body.
func (st *state) parseWhole(body []byte, contentType string, timeMs int64) (tally, error) {
	var t tally
	if len(body) == 0 {
		return t, nil
	}
	p, _ := textparse.New(body, contentType, nil, st.rules.parser) // an error with a parser means that the fallback is used
	if p == nil {
		return t, contentTypeError(body, contentType)
	}
	var rec recording
	f := formatOf(p)
	if content, ok := f.content(body); ok && st.mayRecord() && bytes.IndexByte(body, 0) < 0 {
		st.draft.content = content
		st.next.reset(contentType, f)
		rec.to, rec.body = &st.next, content
		if f == formatText {
			rec.start(content, 0) // the parser has ended it in the same way
		} else {
			rec.start(body, 0)
		}
	}
	if err := st.read(p, 0, spoke{}, &rec, timeMs, &t); err != nil {
		return t, asFailure(body, err)
	}
	rec.mark(st.draft.spoke)
	st.draft.recorded = rec.to != nil && rec.to.worthwhile()
	if rec.to != nil && !st.draft.recorded {
		st.strikes = maxStrikes // it is mostly of lines that no layout can repeat
	}
	return t, st.checkSampleLimit(&t)
}

// read takes all that a parser gives, but for the first entries that are to be skipped. Its
// error is a *failure or, as it is, that of the parser.
func (st *state) read(p textparse.Parser, skip int, sp spoke, rec *recording, timeMs int64, t *tally) error {
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			st.draft.spoke = sp
			return nil
		}
		if err != nil {
			return err
		}
		if skip > 0 {
			skip--
			continue
		}
		switch entry {
		case textparse.EntryType:
			name, typ := p.Type()
			sp.family, sp.typ = st.says(name, statement{what: saidType, typ: typ}, rec), typ
		case textparse.EntryHelp:
			name, help := p.Help()
			sp.family = st.says(name, statement{what: saidHelp, text: help}, rec)
		case textparse.EntryUnit:
			name, unit := p.Unit()
			sp.family = st.says(name, statement{what: saidUnit, text: unit}, rec)
		case textparse.EntrySeries:
			smp := sample{spoke: sp}
			smp.raw, smp.ts, smp.value = p.Series()
			if err := st.takeLine(p, &smp, rec, timeMs, t); err != nil {
				return err
			}
		case textparse.EntryHistogram:
			smp := sample{spoke: sp}
			smp.raw, smp.ts, smp.hist, smp.fhist = p.Histogram()
			if _, err := st.take(p, &smp, rec, timeMs, t); err != nil {
				return err
			}
		}
	}
}

// says takes note of metadata. When a body says too many things of one name, which one holds
// depends on how much of it is read: no layout can repeat that.
func (st *state) says(name []byte, s statement, rec *recording) *family {
	f, w := st.families.says(name, s, st.iter)
	if w.first {
		st.draft.families++
	}
	if w.anew {
		st.draft.reworded = true
	}
	if w.contradicts || w.anew && f.used == st.iter { // the next body will begin with what this one ends with
		rec.off()
	}
	rec.family(f, s.what == saidType)
	return f
}

// takeLine takes one sample of a text format and has it recorded.
func (st *state) takeLine(p textparse.Parser, smp *sample, rec *recording, timeMs int64, t *tally) error {
	place, plain := rec.locate(smp.raw)
	smp.once = plain
	col, err := st.take(p, smp, rec, timeMs, t)
	if err != nil {
		return err
	}
	if !plain {
		col = colSlow
	}
	rec.unit(place, col, smp.spoke)
	return nil
}

// take puts one sample where it belongs. It returns the column of a plain one that is in the
// draft, colDropped or colDuplicate for one that never will be, and else colSlow.
func (st *state) take(p textparse.Parser, smp *sample, rec *recording, timeMs int64, t *tally) (col int32, err error) {
	t.scraped++
	l, err := st.line(p, smp, t)
	if err != nil {
		return colSlow, err
	}
	s := l.series
	if s == nil && !l.keptOut {
		return colDropped, nil
	}
	t.kept++
	if l.keptOut {
		t.keptOut++
		return colSlow, nil // there may be room for it next time
	}
	own := smp.ts != nil && st.rules.honorTimestamps
	met := st.met(s)
	if s.report || met && !own {
		if t.duplicates++; t.duplicates == 1 {
			t.duplicate = st.syms.Decode(s.labels)
		}
		rec.duplicate(t.duplicate)
		return colDuplicate, nil
	}
	if st.overLimit() {
		if t.excess++; t.excess == 1 {
			t.firstExcess = st.syms.Decode(s.labels)
		}
		return colSlow, nil
	}
	if own && !s.ownTime && (s.inPlain || met) {
		st.draft.strange = true
	}
	if !met {
		st.meet(s)
	}
	st.describe(s, smp.family)

	at, news, runs := timeMs, true, true
	if last := st.last(s, timeMs); own {
		at = *smp.ts
		news, runs = s.takesOwn(at, last, timeMs, t)
	} else if at <= last { // it once had a timestamp from the future
		t.outOfOrder++
		news, runs = false, false
	}
	if runs && s.tracked != st.iter && (!own || st.rules.trackTimestamps) {
		s.tracked = st.iter
		if own || smp.isHistogram() {
			st.draft.others = append(st.draft.others, s)
		}
	}
	if !news {
		return colSlow, nil
	}
	if err := st.put(p, s, smp, at, own, t); err != nil || own || s.ownTime || smp.isHistogram() {
		return colSlow, err
	}
	return int32(st.draft.columns() - 1), nil
}

// line finds what the bytes of a sample mean. What it does not know yet goes through the
// rules, and is kept unless there is too much of it already.
func (st *state) line(p textparse.Parser, smp *sample, t *tally) (*line, error) {
	l := st.lines[string(smp.raw)]
	counted := l != nil && l.iter == st.iter
	if l != nil && l.typ == smp.typ {
		if l.iter != st.iter {
			l.iter = st.iter
			st.draft.lines++
		}
		return l, nil
	}
	var exposed labels.Labels
	p.Labels(&exposed)
	key, keep, err := st.finalKey(exposed)
	if err != nil {
		return nil, err
	}
	l = &line{iter: st.iter, typ: smp.typ}
	if keep {
		l.series = st.series[telemetry.Coded(key)]
		switch {
		case st.overLimit(): // nothing more is learnt of this body
			if l.series == nil {
				l.series = &series{labels: telemetry.Coded(key)}
			}
			return l, nil
		case l.series != nil:
		case st.full():
			st.guard.keepOut(st.syms.Decode(telemetry.Coded(key)))
			l.keptOut = true
			return l, nil
		default:
			l.series = &series{labels: telemetry.Coded(key)}
			st.series.add(l.series)
		}
		if !st.known(l.series) {
			t.added++
		}
	}
	if !smp.once {
		st.lines[string(smp.raw)] = l
		if !counted {
			st.draft.lines++
		}
	}
	return l, nil
}

// describe gives the series the metadata that the exposition says just before it.
func (st *state) describe(s *series, fam *family) {
	var src *telemetry.Metadata
	if fam != nil {
		fam.used = st.iter
		src = fam.meta
	}
	if s.metaSrc == src {
		return
	}
	s.metaSrc = src
	if s.inPlain {
		st.draft.reworded = true
	}
	meta := src
	if src != nil && !hasSeries(src, st.syms.Name(s.labels)) {
		meta = nil
	}
	if s.meta != meta {
		s.meta = meta
		st.draft.remade = true
	}
}
