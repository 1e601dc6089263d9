package remotewrite

import (
	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/telemetry"
)

// relabeller makes of the labels of a scrape those that an endpoint is sent. It is not safe
// for concurrent use.
type relabeller struct {
	external []labels.Label // sorted, none of them empty
	rules    []*relabel.Config
	builder  *labels.Builder
	key      []byte // for hash
	modulo   uint32 // of hashes; 0: all bits. Only tests set it, to have collisions.
}

func newRelabeller(external labels.Labels, rules []*relabel.Config) *relabeller {
	r := &relabeller{rules: rules, builder: labels.NewBuilder(labels.EmptyLabels())}
	external.Range(func(l labels.Label) {
		if l.Value != "" {
			r.external = append(r.external, l)
		}
	})
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

// series appends to dst what process makes of series i of a block. Where there are no rules
// the strings are those of the block, and nothing is allocated.
func (r *relabeller) series(dst []label, b *telemetry.Block, i int) ([]label, skip) {
	if len(r.rules) > 0 {
		return r.processed(dst, b.At(i))
	}
	m := merger{dst: dst, external: r.external}
	b.Each(i, m.add)
	if m.empty {
		return r.processed(dst, b.At(i))
	}
	return m.end(len(dst))
}

// labels is series for labels that are in no block.
func (r *relabeller) labels(dst []label, in labels.Labels) ([]label, skip) {
	if len(r.rules) > 0 {
		return r.processed(dst, in)
	}
	m := merger{dst: dst, external: r.external}
	in.Range(m.add)
	if m.empty {
		return r.processed(dst, in)
	}
	return m.end(len(dst))
}

// merger puts external labels among those of a series.
type merger struct {
	dst      []label
	external []labels.Label // those to come
	empty    bool           // a label is, which is not simple
}

func (m *merger) add(l labels.Label) {
	for len(m.external) > 0 && m.external[0].Name <= l.Name {
		if e := m.external[0]; e.Name < l.Name {
			m.dst = append(m.dst, label{e.Name, e.Value})
		}
		m.external = m.external[1:]
	}
	m.empty = m.empty || l.Value == ""
	m.dst = append(m.dst, label{l.Name, l.Value})
}

// end returns the labels, which begin at start, if they may be sent.
func (m *merger) end(start int) ([]label, skip) {
	for _, l := range m.external {
		m.dst = append(m.dst, label{l.Name, l.Value})
	}
	named := false
	for _, l := range m.dst[start:] {
		if l.name == model.MetricNameLabel {
			named = true
		}
		if !model.UTF8Validation.IsValidLabelName(l.name) || !model.LabelValue(l.value).IsValid() {
			return m.dst[:start], skipInvalid
		}
	}
	if !named {
		return m.dst[:start], skipInvalid
	}
	return m.dst, kept
}

func (r *relabeller) processed(dst []label, in labels.Labels) ([]label, skip) {
	lset, why := r.process(in)
	if why != kept {
		return dst, why
	}
	return appendLabels(dst, lset), kept
}

// hash is that of final labels; never 0. So few bits are alike now and then: labels tell.
func (r *relabeller) hash(ls []label) uint32 {
	r.key = appendKey(r.key[:0], ls)
	h := uint32(xxhash.Sum64(r.key))
	if r.modulo > 0 {
		h %= r.modulo
	}
	return max(1, h)
}

// skip says why a sample of a scrape is not queued.
type skip uint8

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
