package stack

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// ParseMetrics parses an exposition in the text format and lists its float series, as
// SeriesName renders them and the way they arrive at a receiver: a histogram as its
// buckets, sum and count.
func ParseMetrics(text string) (map[string]float64, error) {
	families, err := parseFamilies(text)
	if err != nil {
		return nil, err
	}
	return flatten(families), nil
}

func parseFamilies(text string) (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse metrics: %w", err)
	}
	return families, nil
}

func labelsOf(m *dto.Metric) map[string]string {
	out := map[string]string{}
	for _, l := range m.GetLabel() {
		out[l.GetName()] = l.GetValue()
	}
	return out
}

func flatten(families map[string]*dto.MetricFamily) map[string]float64 {
	out := map[string]float64{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			add := func(suffix string, value float64, extra ...string) {
				l := labelsOf(m)
				if len(extra) == 2 {
					l[extra[0]] = extra[1]
				}
				out[SeriesName(name+suffix, l)] = value
			}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				add("", m.GetCounter().GetValue())
			case dto.MetricType_GAUGE:
				add("", m.GetGauge().GetValue())
			case dto.MetricType_UNTYPED:
				add("", m.GetUntyped().GetValue())
			case dto.MetricType_SUMMARY:
				for _, q := range m.GetSummary().GetQuantile() {
					add("", q.GetValue(), "quantile", number(q.GetQuantile()))
				}
				add("_sum", m.GetSummary().GetSampleSum())
				add("_count", float64(m.GetSummary().GetSampleCount()))
			case dto.MetricType_HISTOGRAM:
				inf := false
				for _, b := range m.GetHistogram().GetBucket() {
					inf = inf || math.IsInf(b.GetUpperBound(), 1)
					add("_bucket", float64(b.GetCumulativeCount()), "le", number(b.GetUpperBound()))
				}
				if !inf {
					add("_bucket", float64(m.GetHistogram().GetSampleCount()), "le", "+Inf")
				}
				add("_sum", m.GetHistogram().GetSampleSum())
				add("_count", float64(m.GetHistogram().GetSampleCount()))
			}
		}
	}
	return out
}

// SeriesName renders a series the same way whatever the order of its labels. An empty label
// is the same as none.
func SeriesName(name string, labels map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if labels[k] != "" {
			parts = append(parts, k+"="+strconv.Quote(labels[k]))
		}
	}
	return name + "{" + strings.Join(parts, ",") + "}"
}

// number renders le and quantile as Prometheus stores them: always with a fraction.
func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(s, ".eE") {
		s += ".0"
	}
	return s
}
