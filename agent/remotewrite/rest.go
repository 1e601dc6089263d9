package remotewrite

import (
	"cmp"
	"slices"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

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

// restIndex finds the series of one scrape's rest by their labels. It is used again for the
// next scrape.
type restIndex struct {
	at  map[string][]int // bytes of the final labels -> indexes in rest.series
	buf []byte
}

// collect relabels the samples of s.Rest and leaves out what must not be sent: series that
// the shape has at the same time, and timestamps that did not advance.
func (x *restIndex) collect(e *encoder, c *targetCache, s *telemetry.Scrape, skipped *skipCounts) rest {
	var out rest
	if len(s.Rest) == 0 {
		return out
	}
	if x.at == nil {
		x.at = make(map[string][]int)
	}
	clear(x.at)
	for i := range s.Rest {
		if s.Rest[i].Kind != telemetry.KindExemplar {
			x.sample(e, c, s, &s.Rest[i], &out, skipped)
		}
	}
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
func (x *restIndex) sample(e *encoder, c *targetCache, s *telemetry.Scrape, in *telemetry.Sample, out *rest, skipped *skipCounts) {
	if in.Kind != telemetry.KindFloat && !e.histograms {
		skipped[skipHistogram]++
		return
	}
	lset, why := c.rl.process(in.Labels)
	if why == kept {
		why = x.admit(c, s, lset, in.TimeMs, out)
	}
	if why != kept {
		skipped[why]++
		return
	}
	ser := series{labels: appendLabels(nil, lset), metadata: metadataOf(in.Metadata)}
	switch in.Kind {
	case telemetry.KindHistogram:
		ser.histograms = []histogramSample{{wire: appendHistogram(nil, in.Histogram, in.TimeMs), timeMs: in.TimeMs}}
	case telemetry.KindFloatHistogram:
		ser.histograms = []histogramSample{{wire: appendFloatHistogram(nil, in.FloatHistogram, in.TimeMs), timeMs: in.TimeMs}}
	default:
		ser.floats = []float{{value: in.Value, timeMs: in.TimeMs}}
	}
	x.buf = lset.Bytes(x.buf)
	x.at[string(x.buf)] = append(x.at[string(x.buf)], len(out.series))
	out.series = append(out.series, ser)
}

// admit says whether a sample may be sent: first wins, and time only goes forward.
func (x *restIndex) admit(c *targetCache, s *telemetry.Scrape, lset labels.Labels, timeMs int64, out *rest) skip {
	if _, dup := c.shape.find(lset); dup {
		return skipDuplicate
	}
	x.buf = lset.Bytes(x.buf)
	for _, i := range x.at[string(x.buf)] {
		if sp := out.series[i].span(); timeMs <= sp.maxMs {
			return skipDuplicate
		}
	}
	last := c.history.get(lset)
	if last != nil && timeMs <= last.timeMs {
		last.seenMs = s.TimeMs
		return skipRepeated
	}
	if timeMs == s.TimeMs && (last == nil || last.timeMs == 0) {
		return kept // the time of the scrape advances by itself
	}
	if timeMs <= c.lastMs && c.shape.was(lset) {
		return skipRepeated // it was sent with the time of the last scrape
	}
	c.history.track(lset, s.TimeMs).timeMs = timeMs
	return kept
}

// exemplars takes those of one sample, for a series that the shape or the rest holds. 2.0
// has no place for an exemplar without a sample.
func (x *restIndex) exemplars(c *targetCache, s *telemetry.Scrape, in *telemetry.Sample, out *rest) {
	lset, why := c.rl.process(in.Labels)
	if why != kept {
		return
	}
	n, inShape := in.InSeries-1, c.shape.sends(in.InSeries-1)
	if !inShape {
		n, inShape = c.shape.find(lset)
	}
	x.buf = lset.Bytes(x.buf)
	inRest := x.at[string(x.buf)]
	if !inShape && len(inRest) == 0 {
		return
	}
	last := c.history.track(lset, s.TimeMs)
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
		ser := &out.series[inRest[len(inRest)-1]]
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
