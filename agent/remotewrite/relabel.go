package remotewrite

import (
	"encoding/binary"

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
	start, ext, empty := len(dst), r.external, false
	b.Each(i, func(l labels.Label) {
		for len(ext) > 0 && ext[0].Name <= l.Name {
			if ext[0].Name < l.Name {
				dst = append(dst, label{ext[0].Name, ext[0].Value})
			}
			ext = ext[1:]
		}
		empty = empty || l.Value == ""
		dst = append(dst, label{l.Name, l.Value})
	})
	if empty {
		return r.processed(dst[:start], b.At(i))
	}
	for _, l := range ext {
		dst = append(dst, label{l.Name, l.Value})
	}
	named := false
	for _, l := range dst[start:] {
		if l.name == model.MetricNameLabel {
			named = true
		}
		if !model.UTF8Validation.IsValidLabelName(l.name) || !model.LabelValue(l.value).IsValid() {
			return dst[:start], skipInvalid
		}
	}
	if !named {
		return dst[:start], skipInvalid
	}
	return dst, kept
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
	r.key = r.key[:0]
	for _, l := range ls {
		r.appendKey(l.name, l.value)
	}
	return r.sum()
}

// hashOf is hash of labels in another form.
func (r *relabeller) hashOf(lset labels.Labels) uint32 {
	r.key = r.key[:0]
	lset.Range(func(l labels.Label) { r.appendKey(l.Name, l.Value) })
	return r.sum()
}

func (r *relabeller) appendKey(name, value string) {
	r.key = binary.AppendUvarint(r.key, uint64(len(name)))
	r.key = append(r.key, name...)
	r.key = binary.AppendUvarint(r.key, uint64(len(value)))
	r.key = append(r.key, value...)
}

func (r *relabeller) sum() uint32 {
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
