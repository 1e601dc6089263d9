package scrape

import (
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"

	"outrider/telemetry"
)

// How far the timestamps that a service sends may be from now. Farther ones are mistakes,
// mostly of the unit, and would have receivers refuse the whole request.
const (
	maxAhead = 10 * time.Minute
	maxAge   = 24 * time.Hour
)

// overLimit says whether sample_limit leaves no room for another sample.
func (st *state) overLimit() bool {
	return st.rules.sampleLimit > 0 && st.draft.taken >= st.rules.sampleLimit
}

func (st *state) checkSampleLimit(t *tally) error {
	if t.excess == 0 {
		return nil
	}
	return fail(reasonSamples, "sample_limit exceeded: %d samples after relabelling, limit %d; the first beyond it is %s",
		st.draft.taken+t.excess, st.rules.sampleLimit, excerpt(t.firstExcess.String()))
}

// takesOwn says whether a sample with a timestamp of its own is news, and whether the series
// runs. The same timestamp again is no news: it is exposed until there is a newer one.
func (s *series) takesOwn(at, last, timeMs int64, t *tally) (news, runs bool) {
	s.ownTime = true
	switch {
	case at == last && at != 0:
		return false, true
	case at > timeMs+maxAhead.Milliseconds():
		t.tooNew++
	case at < timeMs-maxAge.Milliseconds():
		t.tooOld++
	case at < last:
		t.outOfOrder++
	default:
		return true, true
	}
	return false, false
}

// put adds a sample to the draft: a plain float to its column, all else to the rest.
func (st *state) put(p textparse.Parser, s *series, smp *sample, at int64, own bool, t *tally) error {
	d := &st.draft
	d.taken++
	exemplars := st.newExemplars(p, s, smp, at, t)
	plain := !own && !smp.isHistogram()
	if !plain || exemplars != nil || !st.endsIfRejected(s) {
		d.undo = append(d.undo, undo{series: s, lastMs: s.lastMs, exemplar: s.exemplar})
	}
	s.lastMs = at
	if n := len(exemplars); n > 0 {
		s.exemplar = &exemplars[n-1]
	}
	if plain {
		st.push(s, neverStale(smp.value))
		if exemplars == nil {
			return nil
		}
	}
	out := telemetry.Sample{Labels: st.syms.Decode(s.labels), Metadata: s.meta, TimeMs: at, Exemplars: exemplars}
	switch {
	case smp.hist != nil:
		out.Kind, out.Histogram = telemetry.KindHistogram, smp.hist
		smp.hist.Sum = neverStale(smp.hist.Sum)
		if err := smp.hist.Validate(); err != nil {
			return fail(reasonSeries, "invalid native histogram %s: %w", excerpt(out.Labels.String()), err)
		}
	case smp.fhist != nil:
		out.Kind, out.FloatHistogram = telemetry.KindFloatHistogram, smp.fhist
		smp.fhist.Sum = neverStale(smp.fhist.Sum)
		if err := smp.fhist.Validate(); err != nil {
			return fail(reasonSeries, "invalid native histogram %s: %w", excerpt(out.Labels.String()), err)
		}
	case own:
		out.Kind, out.Value = telemetry.KindFloat, neverStale(smp.value)
		if exemplars != nil {
			out.Exemplars = nil
			d.rest = append(d.rest, out)
			out.Kind, out.Value, out.Exemplars = telemetry.KindExemplar, 0, exemplars
		}
	default:
		out.Kind, out.InSeries = telemetry.KindExemplar, d.columns()
	}
	d.rest = append(d.rest, out)
	return nil
}

// endsIfRejected says whether a plain sample of a series needs no undo: it is given a later
// timestamp if the draft is rejected, or the layout does not have it.
func (st *state) endsIfRejected(s *series) bool { return st.live || !s.inPlain }

// neverStale keeps a service from ending a series by sending the marker itself, which
// protobuf could carry.
func neverStale(v float64) float64 {
	if value.IsStaleNaN(v) {
		return math.Float64frombits(value.NormalNaN)
	}
	return v
}

// newExemplars returns the exemplars of the current sample that the series has not had yet,
// in order; nil when there are none. An exposition repeats them until there are others.
func (st *state) newExemplars(p textparse.Parser, s *series, smp *sample, at int64, t *tally) []exemplar.Exemplar {
	var out []exemplar.Exemplar
	e := &st.exemplar
	for *e = (exemplar.Exemplar{}); p.Exemplar(e); *e = (exemplar.Exemplar{}) {
		if !e.HasTs {
			if smp.isHistogram() {
				continue // it has several: without timestamps no telling which are new
			}
			e.Ts = at
		}
		if runes(e.Labels) > exemplar.ExemplarMaxLabelSetLength || e.Ts > at+maxAhead.Milliseconds() {
			t.exemplars++
			continue
		}
		if s.exemplar == nil || isNewer(e, s.exemplar) {
			out = append(out, *e)
		}
	}
	slices.SortFunc(out, exemplar.Compare)
	return out
}

func isNewer(e, last *exemplar.Exemplar) bool {
	if !e.HasTs && !last.HasTs {
		return e.Value != last.Value || !labels.Equal(e.Labels, last.Labels)
	}
	return exemplar.Compare(*e, *last) > 0
}

// runes counts what the limit on exemplars counts.
func runes(lset labels.Labels) int {
	n := 0
	lset.Range(func(l labels.Label) {
		n += utf8.RuneCountInString(l.Name) + utf8.RuneCountInString(l.Value)
	})
	return n
}
