package scrape

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// report is what the sidecar itself says of a scrape.
type report struct {
	up      bool
	seconds float64
	tally   tally
}

// reportFamilies are the series of a report, in the order of values.
func reportFamilies() []telemetry.Metadata {
	return []telemetry.Metadata{
		{Family: "up", Help: "Whether the last scrape of the target succeeded: 1 or 0."},
		{Family: "scrape_duration_seconds", Help: "How long the last scrape took, the reading of its samples included.", Unit: "seconds"},
		{Family: "scrape_samples_scraped", Help: "Samples that the target exposed."},
		{Family: "scrape_samples_post_metric_relabeling", Help: "Samples left after metric relabelling."},
		{Family: "scrape_series_added", Help: "Series that the scrape before did not have."},
	}
}

// values appends the values of the report series.
func (r report) values(dst []float64) []float64 {
	up := 0.0
	if r.up {
		up = 1
	}
	return append(dst, up, r.seconds, float64(r.tally.scraped), float64(r.tally.kept), float64(r.tally.added))
}

// newReportSeries makes the report series of a target. Relabelling does not apply to them.
func newReportSeries(syms *telemetry.Symbols, target labels.Labels) []*series {
	var out []*series
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, meta := range reportFamilies() {
		meta.Type = model.MetricTypeGauge
		b.Reset(target)
		b.Set(model.MetricNameLabel, meta.Family)
		out = append(out, &series{labels: syms.Encode(b.Labels()), meta: &meta, report: true})
	}
	return out
}
