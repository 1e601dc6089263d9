package remotewrite

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// relabeller makes of the labels of a scrape those that an endpoint is sent. It is not safe
// for concurrent use.
type relabeller struct {
	external []labels.Label
	rules    []*relabel.Config
	builder  *labels.Builder
}

func newRelabeller(external labels.Labels, rules []*relabel.Config) *relabeller {
	r := &relabeller{rules: rules, builder: labels.NewBuilder(labels.EmptyLabels())}
	external.Range(func(l labels.Label) { r.external = append(r.external, l) })
	return r
}

// process adds the external labels where they are absent and applies the rules. A reason
// other than kept says why there is nothing to send.
func (r *relabeller) process(in labels.Labels) (labels.Labels, skip) {
	out := in
	if len(r.external) > 0 || len(r.rules) > 0 {
		r.builder.Reset(in)
		for _, l := range r.external {
			if !in.Has(l.Name) {
				r.builder.Set(l.Name, l.Value)
			}
		}
		if !relabel.ProcessBuilder(r.builder, r.rules...) {
			return labels.EmptyLabels(), skipRelabelled
		}
		out = r.builder.Labels()
	}
	// Receivers refuse these, some of them with everything else in the request.
	if !out.Has(model.MetricNameLabel) || !out.IsValid(model.UTF8Validation) {
		return labels.EmptyLabels(), skipInvalid
	}
	return out, kept
}

// skip says why a sample of a scrape is not queued.
type skip int

const (
	kept           skip = iota
	skipRelabelled      // write_relabel_configs drop it
	skipInvalid         // no metric name, or not UTF-8
	skipDuplicate       // the scrape has the series already
	skipRepeated        // its timestamp is not later than the last one sent
	skipHistogram       // send_native_histograms is off
	skips               // how many there are
)

// String is the value of the label "reason".
func (s skip) String() string {
	switch s {
	case skipRelabelled:
		return "relabelled"
	case skipInvalid:
		return "invalid_labels"
	case skipDuplicate:
		return "duplicate"
	case skipRepeated:
		return "not_advanced"
	case skipHistogram:
		return "native_histogram"
	}
	panic("BUG: not a reason to skip a sample")
}

// skipCounts counts skipped samples by reason.
type skipCounts [skips]int
