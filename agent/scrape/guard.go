package scrape

import (
	"cmp"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// guard looks at the series that series_limit keeps out, to say where they come from.
type guard struct {
	metrics map[string]int  // those of the draft, by metric name
	some    []labels.Labels // the first of them
	askedMs int64           // when the answer was made
	answer  *telemetry.Explosion
}

const (
	// What is looked at of one scrape.
	guardMetrics = 100
	guardSeries  = 500
	// guardAgain is for how long an answer holds, in milliseconds.
	guardAgain = 60_000
)

// full says whether series_limit leaves no room for a series that is not known.
func (st *state) full() bool {
	return st.rules.seriesLimit > 0 && len(st.series)-len(st.report) >= st.rules.seriesLimit
}

// keepOut takes note of a series for which there is no room.
func (g *guard) keepOut(lset labels.Labels) {
	name := lset.Get(model.MetricNameLabel)
	if _, ok := g.metrics[name]; ok || len(g.metrics) < guardMetrics {
		if g.metrics == nil {
			g.metrics = map[string]int{}
		}
		g.metrics[name]++
	}
	if len(g.some) < guardSeries {
		g.some = append(g.some, lset)
	}
}

// explosion says which metric most of the series that were kept out belong to, and which of
// its labels has most values: in what is known of it and in some of what was kept out. It is
// nil if the draft kept nothing out.
func (st *state) explosion(timeMs int64) *telemetry.Explosion {
	g := &st.guard
	if len(g.metrics) == 0 {
		g.answer = nil
		return nil
	}
	if g.answer == nil || timeMs-g.askedMs >= guardAgain || timeMs < g.askedMs {
		g.askedMs, g.answer = timeMs, st.findExplosion()
	}
	return g.answer
}

// forget lets go of what the draft before kept out.
func (g *guard) forget() {
	clear(g.metrics)
	clear(g.some)
	g.some = g.some[:0]
}

func (st *state) findExplosion() *telemetry.Explosion {
	metric, most := "", 0
	for name, n := range st.guard.metrics {
		if n > most || n == most && name < metric {
			metric, most = name, n
		}
	}
	values := map[string]map[string]bool{} // by label
	count := func(lset labels.Labels) {
		if lset.Get(model.MetricNameLabel) != metric {
			return
		}
		lset.Range(func(l labels.Label) {
			if values[l.Name] == nil {
				values[l.Name] = map[string]bool{}
			}
			values[l.Name][l.Value] = true
		})
	}
	for _, s := range st.series {
		if st.syms.Name(s.labels) == metric {
			count(st.syms.Decode(s.labels))
		}
	}
	for _, lset := range st.guard.some {
		count(lset)
	}
	e := &telemetry.Explosion{Metric: metric}
	delete(values, model.MetricNameLabel)
	for name, seen := range values {
		if n := len(seen); cmp.Or(cmp.Compare(n, e.Values), cmp.Compare(e.Label, name)) > 0 {
			e.Label, e.Values = name, n
			e.Examples = e.Examples[:0]
			for v := range seen {
				e.Examples = append(e.Examples, v)
			}
			slices.Sort(e.Examples)
			e.Examples = e.Examples[:min(len(e.Examples), 3)]
		}
	}
	return e
}
