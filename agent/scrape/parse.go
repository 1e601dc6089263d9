package scrape

import (
	"errors"
	"io"

	"github.com/prometheus/common/model"
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
}

// sample is one sample as the parser gave it.
type sample struct {
	raw    []byte // what stands for the series
	ts     *int64
	value  float64
	hist   *histogram.Histogram
	fhist  *histogram.FloatHistogram
	family *family // the one spoken of last, or nil
}

func (s *sample) isHistogram() bool { return s.hist != nil || s.fhist != nil }

// parse reads an exposition into the draft. A sample without a timestamp of its own is of
// timeMs. On an error, always a *failure, the tally says how far it came.
func (st *state) parse(body []byte, contentType string, timeMs int64) (tally, error) {
	st.begin()
	var t tally
	if len(body) == 0 {
		return t, nil
	}
	p, _ := textparse.New(body, contentType, nil, st.rules.parser) // an error with a parser means that the fallback is used
	if p == nil {
		return t, contentTypeError(body, contentType)
	}
	var fam *family
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return t, st.checkSampleLimit(&t)
		}
		if err != nil {
			return t, parseError(body, err)
		}
		switch entry {
		case textparse.EntryType:
			name, typ := p.Type()
			fam = st.family(name)
			fam.setType(typ)
		case textparse.EntryHelp:
			name, help := p.Help()
			fam = st.family(name)
			fam.setHelp(help)
		case textparse.EntryUnit:
			name, unit := p.Unit()
			fam = st.family(name)
			fam.setUnit(unit)
		case textparse.EntrySeries:
			smp := sample{family: fam}
			smp.raw, smp.ts, smp.value = p.Series()
			if err := st.take(p, &smp, timeMs, &t); err != nil {
				return t, err
			}
		case textparse.EntryHistogram:
			smp := sample{family: fam}
			smp.raw, smp.ts, smp.hist, smp.fhist = p.Histogram()
			if err := st.take(p, &smp, timeMs, &t); err != nil {
				return t, err
			}
		}
	}
}

func (st *state) family(name []byte) *family {
	f, first := st.families.get(name, st.iter)
	if first {
		st.draft.families++
	}
	return f
}

// take puts one sample where it belongs.
func (st *state) take(p textparse.Parser, smp *sample, timeMs int64, t *tally) error {
	t.scraped++
	l, err := st.line(p, smp.raw, t)
	if err != nil {
		return err
	}
	s := l.series
	if s == nil {
		return nil
	}
	t.kept++
	own := smp.ts != nil && st.rules.honorTimestamps
	met := s.iter == st.iter
	if s.report || met && !own {
		if t.duplicates++; t.duplicates == 1 {
			t.duplicate = s.labels
		}
		return nil
	}
	if st.overLimit() {
		if t.excess++; t.excess == 1 {
			t.firstExcess = s.labels
		}
		return nil
	}
	if !met {
		s.iter = st.iter
		st.draft.series++
	}
	st.describe(s, smp.family)

	at, news, runs := timeMs, true, true
	if own {
		at = *smp.ts
		news, runs = s.takesOwn(at, timeMs, t)
	} else if at <= s.lastMs { // it once had a timestamp from the future
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
		return nil
	}
	return st.put(p, s, smp, at, own, t)
}

// line finds what the bytes of a sample mean. What it does not know yet goes through the
// rules, and is kept unless there is too much of it already.
func (st *state) line(p textparse.Parser, raw []byte, t *tally) (*line, error) {
	l := st.lines[string(raw)]
	if l != nil {
		if l.iter != st.iter {
			l.iter = st.iter
			st.draft.lines++
		}
		return l, nil
	}
	var exposed labels.Labels
	p.Labels(&exposed)
	lset, keep, err := st.rules.final(st.builder, exposed)
	if err != nil {
		return nil, err
	}
	l = &line{iter: st.iter}
	switch {
	case keep && st.overLimit():
		l.series = &series{labels: lset}
		return l, nil
	case keep:
		l.series = st.series.get(lset)
		if l.series.iter < st.good && !l.series.report {
			t.added++
		}
	}
	st.lines[string(raw)] = l
	st.draft.lines++
	return l, nil
}

// describe gives the series the metadata that the exposition says just before it.
func (st *state) describe(s *series, fam *family) {
	var src *telemetry.Metadata
	if fam != nil {
		src = fam.meta
	}
	if s.metaSrc == src {
		return
	}
	s.metaSrc = src
	meta := src
	if src != nil && !hasSeries(src, s.labels.Get(model.MetricNameLabel)) {
		meta = nil
	}
	if s.meta != meta {
		s.meta = meta
		st.draft.remade = true
	}
}
