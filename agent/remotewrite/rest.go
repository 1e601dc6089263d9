package remotewrite

import (
	"cmp"
	"slices"

	"github.com/prometheus/prometheus/model/exemplar"

	"outrider/telemetry"
)

// rest is what a scrape holds beside its plain values, ready to be encoded.
type rest struct {
	series []series    // that are not in the shape
	adds   []exemplars // of series that are, by n
	size   int         // upper bound of the series in a request
	counts counts      // of the series
}

// exemplars are those of series n of the set in one scrape.
type exemplars struct {
	n       int
	samples []exemplarSample
}

// restIndex finds the series of one scrape's rest by their labels. Its memory is used again
// for the next scrape of any target.
type restIndex struct {
	last   map[uint32]int // hash of the final labels -> index in series, of the last that has it
	before []int          // of each series: the one before it with the same hash, or -1
	series []series
	labels []label
	floats []float
}

// maxRest bounds how many series memory is kept for.
const maxRest = 4096

// reset forgets the series of the scrape before, and the memory for very many.
func (x *restIndex) reset() {
	if len(x.series) > maxRest || x.last == nil {
		*x = restIndex{last: make(map[uint32]int)}
		return
	}
	clear(x.last)
	clear(x.series)
	clear(x.labels)
	x.before, x.series, x.labels, x.floats = x.before[:0], x.series[:0], x.labels[:0], x.floats[:0]
}

// each calls fn for the series with these labels, the last one first, until it returns false.
func (x *restIndex) each(h uint32, ls []label, fn func(i int) bool) {
	i, ok := x.last[h]
	for ; ok && i >= 0; i = x.before[i] {
		if slices.Equal(x.series[i].labels, ls) && !fn(i) {
			return
		}
	}
}

// collect relabels the samples of s.Rest and leaves out what must not be sent: series that
// the shape has at the same time, and timestamps that did not advance.
func (x *restIndex) collect(e *encoder, c *targetCache, s *telemetry.Scrape, skipped *skipCounts) rest {
	var out rest
	if len(s.Rest) == 0 {
		return out
	}
	x.reset()
	for i := range s.Rest {
		if s.Rest[i].Kind != telemetry.KindExemplar {
			x.sample(e, c, s, &s.Rest[i], skipped)
		}
	}
	out.series = x.series
	if e.exemplars {
		for i := range s.Rest {
			if len(s.Rest[i].Exemplars) > 0 {
				x.exemplars(c, s, &s.Rest[i], &out)
			}
		}
	}
	for i := range out.series {
		out.size += out.series[i].size()
		out.counts.add(out.series[i].counts())
	}
	out.adds = joined(out.adds)
	return out
}

// sample takes one sample that is not an exemplar.
func (x *restIndex) sample(e *encoder, c *targetCache, s *telemetry.Scrape, in *telemetry.Sample, skipped *skipCounts) {
	if in.Kind != telemetry.KindFloat && !e.histograms {
		skipped[skipHistogram]++
		return
	}
	var (
		why   skip
		h     uint32
		start = len(x.labels)
	)
	x.labels, why = c.rl.labels(x.labels, in.Labels)
	if why == kept {
		h = c.rl.hash(x.labels[start:])
		why = x.admit(c, s, h, x.labels[start:], in.TimeMs)
	}
	if why != kept {
		x.labels = x.labels[:start]
		skipped[why]++
		return
	}
	ser := series{labels: slices.Clip(x.labels[start:]), metadata: metadataOf(in.Metadata)}
	switch in.Kind {
	case telemetry.KindHistogram:
		ser.histograms = []histogramSample{{wire: appendHistogram(nil, in.Histogram, in.TimeMs), timeMs: in.TimeMs}}
	case telemetry.KindFloatHistogram:
		ser.histograms = []histogramSample{{wire: appendFloatHistogram(nil, in.FloatHistogram, in.TimeMs), timeMs: in.TimeMs}}
	default:
		x.floats = append(x.floats, float{value: in.Value, timeMs: in.TimeMs})
		ser.floats = slices.Clip(x.floats[len(x.floats)-1:])
	}
	before, ok := x.last[h]
	if !ok {
		before = -1
	}
	x.last[h] = len(x.series)
	x.before = append(x.before, before)
	x.series = append(x.series, ser)
}

// admit says whether a sample may be sent: first wins, and time only goes forward.
func (x *restIndex) admit(c *targetCache, s *telemetry.Scrape, h uint32, ls []label, timeMs int64) (why skip) {
	if _, dup := c.shape.find(h, ls); dup {
		return skipDuplicate
	}
	x.each(h, ls, func(i int) bool {
		if timeMs <= x.series[i].span().maxMs {
			why = skipDuplicate
		}
		return why == kept
	})
	if why != kept {
		return why
	}
	last := c.history.get(ls)
	if last != nil && timeMs <= last.timeMs {
		last.seenMs = s.TimeMs
		return skipRepeated
	}
	if timeMs == s.TimeMs && (last == nil || last.timeMs == 0) {
		return kept // the time of the scrape advances by itself
	}
	if timeMs <= c.lastMs && c.shape.was(h, ls) {
		return skipRepeated // it was sent with the time of the last scrape
	}
	c.history.track(ls, s.TimeMs).timeMs = timeMs
	return kept
}

// exemplars takes those of one sample, for a series that the shape or the rest holds. 2.0
// has no place for an exemplar without a sample.
func (x *restIndex) exemplars(c *targetCache, s *telemetry.Scrape, in *telemetry.Sample, out *rest) {
	ls, why := c.rl.labels(nil, in.Labels)
	if why != kept {
		return
	}
	h := c.rl.hash(ls)
	n, inShape := in.InSeries-1, c.shape.sends(in.InSeries-1)
	if !inShape {
		n, inShape = c.shape.find(h, ls)
	}
	inRest := -1
	if !inShape {
		x.each(h, ls, func(i int) bool {
			inRest = i
			return false
		})
		if inRest < 0 {
			return
		}
	}
	last := c.history.track(ls, s.TimeMs)
	var fresh []exemplarSample
	for _, ex := range sortedExemplars(in) {
		if last.fresh(ex) {
			fresh = append(fresh, exemplarSample{labels: appendLabels(nil, ex.Labels), value: ex.Value, timeMs: ex.Ts})
		}
	}
	switch {
	case len(fresh) == 0:
	case inShape:
		out.adds = append(out.adds, exemplars{n: n, samples: fresh})
	default:
		ser := &out.series[inRest]
		ser.exemplars = append(ser.exemplars, fresh...)
	}
}

// sortedExemplars returns the exemplars by time, which receivers insist on; those without a
// time of their own have that of their sample.
func sortedExemplars(in *telemetry.Sample) []exemplar.Exemplar {
	es := slices.Clone(in.Exemplars)
	for i := range es {
		if !es[i].HasTs {
			es[i].Ts = in.TimeMs
		}
	}
	slices.SortStableFunc(es, exemplar.Compare)
	return es
}

// joined sorts by n and leaves one element for each.
func joined(adds []exemplars) []exemplars {
	slices.SortStableFunc(adds, func(a, b exemplars) int { return cmp.Compare(a.n, b.n) })
	out := adds[:0]
	for _, a := range adds {
		if last := len(out) - 1; last >= 0 && out[last].n == a.n {
			out[last].samples = append(out[last].samples, a.samples...)
			continue
		}
		out = append(out, a)
	}
	return out
}

// additions returns the exemplars of the series from one on and before another.
func (r *rest) additions(from, before int) []exemplars {
	at := func(a exemplars, n int) int { return cmp.Compare(a.n, n) }
	i, _ := slices.BinarySearchFunc(r.adds, from, at)
	j, _ := slices.BinarySearchFunc(r.adds, before, at)
	return r.adds[i:j]
}

// fit says whether all the series can go in the request of a group.
func (r *rest) fit(g *group, lim limits) bool {
	return g.kept+r.counts.samples() <= lim.samples && g.size+r.size <= lim.bytes
}

// countSamples counts what the books count.
func countSamples(rest []telemetry.Sample) int {
	n := 0
	for i := range rest {
		if rest[i].Kind != telemetry.KindExemplar {
			n++
		}
	}
	return n
}
