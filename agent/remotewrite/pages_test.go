package remotewrite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/telemetry"
)

// world is a service whose series come and go at random.
type world struct {
	rnd    *rand.Rand
	syms   *telemetry.Symbols
	lens   int // of blocks, at most
	blocks []*telemetry.Block
	next   int // number of the next new series
	ms     int64
	tgt    *telemetry.Target
}

var worldMetadata = []*telemetry.Metadata{
	nil, {Type: model.MetricTypeCounter, Help: "Requests.", Unit: "requests"}, {Type: model.MetricTypeGauge}, {Help: "Only help."}, {Type: model.MetricTypeGauge},
}

// fresh makes labels that no series had before. Without the label id many are alike.
func (w *world) fresh() labels.Labels {
	w.next++
	kind := w.rnd.IntN(40)
	switch {
	case kind == 0:
		return labels.FromStrings("nameless", fmt.Sprint(w.next))
	case kind == 1:
		return labels.FromStrings("__name__", "bad", "id", fmt.Sprint(w.next), "l", "\xff")
	case kind == 2: // an external label sits well among its own
		return labels.FromStrings("__name__", "own", "cluster", []string{"prod", "own"}[w.rnd.IntN(2)], "id", fmt.Sprint(w.next))
	case kind == 3:
		return labels.FromStrings("Zone", "a", "__name__", "upper", "id", fmt.Sprint(w.next), "zz", "")
	}
	return labels.FromStrings("__name__", fmt.Sprintf("metric_%d", w.rnd.IntN(6)), "handler", fmt.Sprintf("/api/v1/resource%d", w.rnd.IntN(9)), "id", fmt.Sprint(w.next))
}

func (w *world) block(lsets []labels.Labels, mds []*telemetry.Metadata) *telemetry.Block {
	coded := make([]telemetry.Coded, len(lsets))
	for i, l := range lsets {
		coded[i] = w.syms.Encode(l)
	}
	return telemetry.NewBlock(w.syms, coded, mds)
}

// add makes a block of new series.
func (w *world) add() *telemetry.Block {
	n := 1 + w.rnd.IntN(w.lens)
	lsets, mds := make([]labels.Labels, n), make([]*telemetry.Metadata, n)
	for i := range lsets {
		lsets[i], mds[i] = w.fresh(), worldMetadata[w.rnd.IntN(len(worldMetadata))]
	}
	return w.block(lsets, mds)
}

// change makes a block in which some series of another came, went, moved or have other metadata.
func (w *world) change(b *telemetry.Block) *telemetry.Block {
	var lsets []labels.Labels
	var mds []*telemetry.Metadata
	often := 1 + w.rnd.IntN(20)
	for i := range b.Len() {
		what := w.rnd.IntN(4 * often)
		if what == 0 {
			continue // gone
		}
		if what == 1 {
			lsets, mds = append(lsets, w.fresh()), append(mds, nil)
		}
		md := b.Metadata(i)
		if what == 2 {
			md = worldMetadata[w.rnd.IntN(len(worldMetadata))]
		}
		lsets, mds = append(lsets, b.At(i)), append(mds, md)
	}
	if n := len(lsets); n > 1 && w.rnd.IntN(5) == 0 {
		i, j := w.rnd.IntN(n), w.rnd.IntN(n)
		lsets[i], lsets[j] = lsets[j], lsets[i]
	}
	if w.rnd.IntN(6) == 0 {
		w.syms = telemetry.NewSymbols() // as when it has grown too large
	}
	return w.block(lsets, mds)
}

func (w *world) step() *telemetry.Scrape {
	before := telemetry.JoinBlocks(slices.Clone(w.blocks))
	switch w.rnd.IntN(8) {
	case 0: // the same
	case 1:
		w.blocks = slices.Insert(slices.Clone(w.blocks), w.rnd.IntN(len(w.blocks)+1), w.add())
	case 2:
		if len(w.blocks) > 1 {
			i := w.rnd.IntN(len(w.blocks))
			w.blocks = slices.Delete(slices.Clone(w.blocks), i, i+1)
		}
	case 3: // another order
		w.blocks = slices.Clone(w.blocks)
		w.rnd.Shuffle(len(w.blocks), func(i, j int) { w.blocks[i], w.blocks[j] = w.blocks[j], w.blocks[i] })
	case 4: // all
		w.blocks = slices.Clone(w.blocks)
		for i := range w.blocks {
			w.blocks[i] = w.change(w.blocks[i])
		}
	default:
		w.blocks = slices.Clone(w.blocks)
		for range 1 + w.rnd.IntN(3) {
			if len(w.blocks) > 0 {
				i := w.rnd.IntN(len(w.blocks))
				w.blocks[i] = w.change(w.blocks[i])
			}
		}
	}
	w.ms += 1 + int64(w.rnd.IntN(20_000))
	set := telemetry.JoinBlocks(slices.Clone(w.blocks))
	s := scrapeOf(w.tgt, set, w.ms)
	for i := range s.Values {
		s.Values[i] = w.rnd.NormFloat64()
	}
	s.Rest = w.rest(before, set)
	return s
}

func (w *world) rest(before, set *telemetry.SeriesSet) (out []telemetry.Sample) {
	have := make(map[string]bool)
	for i := range set.Len() {
		have[set.At(i).String()] = true
	}
	for i := range before.Len() {
		if l := before.At(i); !have[l.String()] {
			if w.rnd.IntN(10) == 0 { // it goes on with its own time
				out = append(out, telemetry.Sample{Labels: l, TimeMs: w.ms - int64(w.rnd.IntN(50_000)), Value: 1})
				continue
			}
			out = append(out, telemetry.Stale(l, w.ms))
		}
	}
	for n := w.rnd.IntN(4); n > 0; n-- {
		ex := []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", fmt.Sprint(w.rnd.IntN(1000))), Value: 1, Ts: w.ms - int64(w.rnd.IntN(9)), HasTs: true}}
		switch i := w.rnd.IntN(max(1, set.Len())); {
		case set.Len() > 0 && w.rnd.IntN(3) > 0:
			in := telemetry.Sample{Labels: set.At(i), Kind: telemetry.KindExemplar, TimeMs: w.ms, Exemplars: ex}
			if w.rnd.IntN(2) > 0 {
				in.InSeries = i + 1
			}
			out = append(out, in)
		default:
			out = append(out, telemetry.Sample{Labels: labels.FromStrings("__name__", "h", "id", fmt.Sprint(w.rnd.IntN(5))), Kind: telemetry.KindHistogram, TimeMs: w.ms, Exemplars: ex,
				Histogram: &histogram.Histogram{Count: 1, Sum: 1, PositiveSpans: []histogram.Span{{Length: 1}}, PositiveBuckets: []int64{1}}})
		}
	}
	return out
}

// naive is what a scrape's plain values make, found out in the simplest way.
func naive(s *telemetry.Scrape, m message, rl *relabeller) (want []plain, skipped skipCounts) {
	seen := make(map[string]bool)
	for i := range s.Series.Len() {
		lset, why := rl.process(s.Series.At(i))
		if why == kept && seen[lset.String()] {
			why = skipDuplicate
		}
		if why != kept {
			skipped[why]++
			continue
		}
		seen[lset.String()] = true
		p := plain{Labels: lset.String(), Floats: []plainFloat{floatAt(s.Values[i], s.TimeMs)}}
		if md := s.Series.Metadata(i); md != nil {
			p.Type, p.Help, p.Unit = string(md.Type), md.Help, md.Unit
		}
		want = append(want, p)
	}
	return forMessage(m, want), skipped
}

// TestPages holds what goes out of pages that live through many changes against the simplest
// encoding of the plain values, and against pages that are made anew each time for the rest.
func TestPages(t *testing.T) {
	steps := 40
	if testing.Short() {
		steps = 15
	}
	for name, c := range map[string]struct {
		external labels.Labels
		rules    func() []*relabel.Config
		lim      limits
		lens     int
		hashes   uint32 // how many there are, if not all
	}{
		"plain":      {lens: 20},
		"external":   {lens: 20, external: labels.FromStrings("cluster", "prod", "empty", "", "zone", "z")},
		"large":      {lens: 300, external: labels.FromStrings("cluster", "prod")},
		"duplicates": {lens: 20, rules: func() []*relabel.Config { return []*relabel.Config{rule(relabel.LabelDrop, "", "id", "", "$1")} }},
		"dropped": {lens: 20, external: labels.FromStrings("cluster", "prod"), rules: func() []*relabel.Config {
			return []*relabel.Config{rule(relabel.Drop, "__name__", "metric_[12]", "", "$1"), rule(relabel.Replace, "id", ".*(..)", "id", "$1")}
		}},
		"collisions": {lens: 20, hashes: 50},
		"groups":     {lens: 300, lim: limits{samples: 2000, bytes: maxRequestBytes}},
		"cut":        {lens: 20, lim: limits{samples: 7, bytes: maxRequestBytes}},
		"bytes":      {lens: 20, lim: limits{samples: 1000, bytes: 3000}},
	} {
		for _, m := range bothMessages {
			t.Run(fmt.Sprintf("%s/v%d", name, m), func(t *testing.T) {
				t.Parallel()
				var rules, twinRules, naiveRules []*relabel.Config
				if c.rules != nil {
					rules, twinRules, naiveRules = c.rules(), c.rules(), c.rules()
				}
				for _, r := range naiveRules {
					if err := r.Validate(model.UTF8Validation); err != nil {
						t.Fatal(err)
					}
				}
				te, twin := newTestEncoder(t, m, c.external, rules...), newTestEncoder(t, m, c.external, twinRules...)
				if c.lim.samples > 0 {
					te.lim, twin.lim = c.lim, c.lim
				}
				w := &world{rnd: rand.New(rand.NewPCG(7, uint64(m))), syms: telemetry.NewSymbols(), lens: c.lens, ms: 1<<42 - 200_000, tgt: target("a:1")}
				for range 12 {
					w.blocks = append(w.blocks, w.add())
				}
				reused := 0
				for i := range steps {
					s := w.step()
					former := make(map[*page]bool)
					for _, te := range []*testEncoder{te, twin} {
						cache := te.enc.cache(s.Target, time.Now())
						cache.rl.modulo = c.hashes
						for _, p := range cache.shape.pages {
							former[p] = true
						}
					}
					twin.enc.cache(s.Target, time.Now()).shape.set = nil // to be made anew
					got, skipped := te.encode(s)
					again, againSkipped := twin.encode(s)
					for _, p := range te.enc.cache(s.Target, time.Now()).shape.pages {
						if former[p] {
							reused++
						}
					}
					if d := diff(sorted(again), sorted(got)); d != "" || skipped != againSkipped {
						t.Fatalf("step %d: skipped %v and %v (-anew +kept):\n%s", i, againSkipped, skipped, d)
					}
					want, wantSkipped := naive(s, m, newRelabeller(c.external, naiveRules))
					plainSet := *s
					plainSet.Rest = nil
					bare := newTestEncoder(t, m, c.external, naiveRules...)
					bare.lim = te.lim
					bareGot, bareSkipped := bare.encode(&plainSet)
					if d := diff(want, bareGot); d != "" || bareSkipped != wantSkipped {
						t.Fatalf("step %d: skipped %v, want %v (-want +got):\n%s", i, bareSkipped, wantSkipped, d)
					}
					for n := range want { // what came with the rest is at the end, or on top
						if c.lim.samples == 0 && (got[n].Labels != want[n].Labels || got[n].Floats[0] != want[n].Floats[0] || got[n].Help != want[n].Help) {
							t.Fatalf("step %d: series %d is %+v, want %+v", i, n, got[n], want[n])
						}
					}
				}
				if c.lim.samples == 0 && reused == 0 {
					t.Error("no page was used again")
				}
			})
		}
	}
}

func sorted(all []plain) []plain {
	return slices.SortedStableFunc(slices.Values(all), func(a, b plain) int {
		switch {
		case a.Labels < b.Labels:
			return -1
		case a.Labels > b.Labels:
			return 1
		}
		return int(timeOf(a) - timeOf(b))
	})
}

func timeOf(p plain) int64 {
	if len(p.Floats) > 0 {
		return p.Floats[0].TimeMs
	}
	return p.Histograms[0].Timestamp
}
