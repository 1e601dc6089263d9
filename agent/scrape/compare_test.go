package scrape

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

func (p *pair) differ(what string, fast, slow any) {
	p.t.Helper()
	p.t.Fatalf("%s differs at body %d:\nlayout: %v\nparser: %v", what, p.bodies, fast, slow)
}

func (p *pair) compareParse() {
	p.t.Helper()
	f, s := &p.fast, &p.slow
	if fmt.Sprint(f.err) != fmt.Sprint(s.err) || reasonOf(f.err) != reasonOf(s.err) {
		p.differ("the error", f.err, s.err)
	}
	ft, stt := f.tally, s.tally
	if !labels.Equal(ft.duplicate, stt.duplicate) || !labels.Equal(ft.firstExcess, stt.firstExcess) {
		p.differ("an example", ft, stt)
	}
	ft.duplicate, ft.firstExcess = stt.duplicate, stt.firstExcess
	if !reflect.DeepEqual(ft, stt) {
		p.differ("the tally", fmt.Sprintf("%+v", ft), fmt.Sprintf("%+v", stt))
	}
	if f.err != nil {
		return
	}
	if a, b := f.st.draft.taken, s.st.draft.taken; a != b {
		p.differ("the number of samples", a, b)
	}
	if a, b := f.st.explosion(p.timeMs), s.st.explosion(p.timeMs); !reflect.DeepEqual(a, b) {
		p.differ("the explosion", a, b)
	}
}

func (p *pair) compareScrapes() {
	p.t.Helper()
	f, s := p.fast.scrape, p.slow.scrape
	if f == nil || s == nil {
		if f != s {
			p.differ("the scrape", f, s)
		}
		return
	}
	if f.Target != s.Target || f.TimeMs != s.TimeMs || f.Failed != s.Failed || f.ClockReset != s.ClockReset {
		p.differ("the head", f, s)
	}
	if a, b := f.Series.Len(), s.Series.Len(); a != b || len(f.Values) != len(s.Values) || a != len(f.Values) && len(f.Values) > 0 {
		p.differ("the number of series", a, b)
	}
	for i, v := range s.Values {
		if math.Float64bits(f.Values[i]) != math.Float64bits(v) {
			p.differ(fmt.Sprintf("value %d of %s", i, s.Series.At(i)), f.Values[i], v)
		}
	}
	if f.Series != p.fast.set || s.Series != p.slow.set {
		p.compareShape(f.Series, s.Series)
	}
	if len(f.Rest) != len(s.Rest) {
		p.differ("the length of the rest", dump(f), dump(s))
	}
	for i := range s.Rest {
		p.compareSample(i, &f.Rest[i], &s.Rest[i])
	}
}

func (p *pair) compareShape(f, s *telemetry.SeriesSet) {
	p.t.Helper()
	if a, b := len(f.Blocks()), len(s.Blocks()); a != b {
		p.differ("the number of blocks", a, b)
	}
	for k, b := range s.Blocks() {
		a := f.Blocks()[k]
		if a.Len() != b.Len() {
			p.differ("the length of a block", a.Len(), b.Len())
		}
		for i := range b.Len() {
			if !labels.Equal(a.At(i), b.At(i)) {
				p.differ("a series", a.At(i), b.At(i))
			}
			if !reflect.DeepEqual(a.Metadata(i), b.Metadata(i)) {
				p.differ("metadata of "+b.At(i).String(), dumpMeta(a.Metadata(i)), dumpMeta(b.Metadata(i)))
			}
		}
	}
}

func (p *pair) compareSample(i int, f, s *telemetry.Sample) {
	p.t.Helper()
	same := f.Kind == s.Kind && f.InSeries == s.InSeries && f.TimeMs == s.TimeMs && math.Float64bits(f.Value) == math.Float64bits(s.Value) &&
		labels.Equal(f.Labels, s.Labels) && reflect.DeepEqual(f.Metadata, s.Metadata) &&
		f.Histogram.Equals(s.Histogram) && f.FloatHistogram.Equals(s.FloatHistogram) &&
		slices.EqualFunc(f.Exemplars, s.Exemplars, func(a, b exemplar.Exemplar) bool {
			return a.HasTs == b.HasTs && a.Ts == b.Ts && math.Float64bits(a.Value) == math.Float64bits(b.Value) && labels.Equal(a.Labels, b.Labels)
		})
	if !same {
		p.differ(fmt.Sprintf("sample %d of the rest", i), fmt.Sprintf("%+v %s", *f, dumpMeta(f.Metadata)), fmt.Sprintf("%+v %s", *s, dumpMeta(s.Metadata)))
	}
}

// checkSharing holds both to the same sets and blocks that are used again from scrape to
// scrape: what is made of them later is kept by their pointers.
func (p *pair) checkSharing() {
	p.t.Helper()
	f, s := &p.fast, &p.slow
	if a, b := f.scrape.Series == f.set, s.scrape.Series == s.set; a != b {
		p.differ("whether the shape is the same", a, b)
	}
	again := func(s *side) (kept []bool) {
		for _, b := range s.scrape.Series.Blocks() {
			kept = append(kept, slices.Contains(s.blocks, b))
		}
		return kept
	}
	if f.scrape.Series != f.set {
		if a, b := again(f), again(s); !slices.Equal(a, b) {
			p.differ("which blocks are used again", a, b)
		}
	}
	for _, s := range []*side{f, s} {
		s.set, s.blocks = s.scrape.Series, s.scrape.Series.Blocks()
	}
	if f.st.outline != nil { // what is known is folded up
		return
	}
	if a, b := len(f.st.series), len(s.st.series); a != b {
		p.differ("the number of series that are known", a, b)
	}
	if a, b := len(f.st.families), len(s.st.families); a != b {
		p.differ("the number of families that are known", a, b)
	}
}

// checkLayout holds the layout to what it says of the body that it was made of.
func (p *pair) checkLayout() {
	p.t.Helper()
	st := p.fast.st
	l := st.layout
	if l == nil || st.outline != nil { // its body is not there
		return
	}
	if len(l.units) != len(l.cols) {
		p.t.Fatalf("%d units, %d columns", len(l.units), len(l.cols))
	}
	next := 0
	for u, col := range l.cols {
		sp := l.units[u]
		if l.start(u) >= int(sp.end) || l.body[sp.end] != '\n' || col != colSlow && (int(sp.value) > int(sp.end) || int(sp.value) < l.start(u)) {
			p.t.Fatalf("unit %d is at %d to %d, its value at %d", u, l.start(u), sp.end, sp.value)
		}
		if col < 0 {
			continue
		}
		if int(col) < next || int(col) >= len(st.plain) {
			p.t.Fatalf("unit %d is of column %d, %d to %d are possible", u, col, next, len(st.plain)-1)
		}
		next = int(col) + 1
		v, ok := parseValue(l.body[sp.value:sp.end])
		if !ok || math.Float64bits(v) != math.Float64bits(st.values[col]) {
			p.t.Fatalf("unit %d has %q in place of %v", u, l.body[sp.value:sp.end], st.values[col])
		}
	}
}
