package scrape

import (
	"fmt"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/model/textparse"
)

// rules are what turns the samples of a target into final ones. Immutable: a state that is
// given others has to ask them again about every line.
type rules struct {
	target  labels.Labels
	relabel []*relabel.Config
	parser  textparse.ParserOptions

	honorLabels     bool
	honorTimestamps bool
	trackTimestamps bool

	sampleLimit     int // 0: none, as for those below
	seriesLimit     int
	labelLimit      int
	labelNameLimit  int
	labelValueLimit int
}

// newRules checks what the configuration says about samples. It copies what it keeps of cfg.
func newRules(target labels.Labels, cfg *Config) (*rules, error) {
	fallback, err := fallbackMediaType(cfg.FallbackScrapeProtocol)
	if err != nil {
		return nil, fmt.Errorf("fallback_scrape_protocol: %w", err)
	}
	r := &rules{
		target: target,
		parser: textparse.ParserOptions{
			IgnoreNativeHistograms:                  !isSet(cfg.ScrapeNativeHistograms),
			KeepClassicOnClassicAndNativeHistograms: isSet(cfg.AlwaysScrapeClassicHistograms),
			FallbackContentType:                     fallback,
		},
		honorLabels:     cfg.HonorLabels,
		honorTimestamps: cfg.HonorTimestamps,
		trackTimestamps: cfg.TrackTimestampsStaleness,
		sampleLimit:     int(cfg.SampleLimit),
		seriesLimit:     int(cfg.SeriesLimit),
		labelLimit:      int(cfg.LabelLimit),
		labelNameLimit:  int(cfg.LabelNameLengthLimit),
		labelValueLimit: int(cfg.LabelValueLengthLimit),
	}
	for i, rule := range cfg.MetricRelabelConfigs {
		if rule == nil {
			return nil, fmt.Errorf("metric_relabel_configs[%d]: empty", i)
		}
		own := *rule // Validate sets what is missing
		if err := own.Validate(model.UTF8Validation); err != nil {
			return nil, fmt.Errorf("metric_relabel_configs[%d]: %w", i, err)
		}
		r.relabel = append(r.relabel, &own)
	}
	return r, nil
}

func isSet(b *bool) bool { return b != nil && *b }

// final returns the labels that a series ends up with, or keep=false when it is to be
// dropped. A series that no receiver would take, or that breaks a limit, is a failure of the
// whole scrape: to drop it quietly would be to lose data that somebody counts on.
func (r *rules) final(b *labels.Builder, exposed labels.Labels) (lset labels.Labels, keep bool, err error) {
	r.addTarget(b, exposed)
	if !relabel.ProcessBuilder(b, r.relabel...) {
		return labels.EmptyLabels(), false, nil
	}
	lset = b.Labels()
	if lset.IsEmpty() {
		return lset, false, nil
	}
	if err := validate(lset); err != nil {
		return lset, false, err
	}
	return lset, true, r.checkLimits(lset)
}

// addTarget merges the labels of the target with those that the service exposed. On a clash
// the service's win under honor_labels; else they are moved to exported_NAME.
func (r *rules) addTarget(b *labels.Builder, exposed labels.Labels) {
	b.Reset(exposed)
	var moved []labels.Label
	r.target.Range(func(ours labels.Label) {
		if r.honorLabels {
			// An empty label counts as theirs: that is how a service asks for none.
			if !exposed.Has(ours.Name) {
				b.Set(ours.Name, ours.Value)
			}
			return
		}
		if theirs := exposed.Get(ours.Name); theirs != "" {
			moved = append(moved, labels.Label{Name: ours.Name, Value: theirs})
		}
		b.Set(ours.Name, ours.Value)
	})
	// The shortest first, so that instance gets exported_instance before a label that was
	// exported_instance to begin with looks for a free name.
	slices.SortStableFunc(moved, func(a, b labels.Label) int { return len(a.Name) - len(b.Name) })
	for _, l := range moved {
		name := model.ExportedLabelPrefix + l.Name
		for b.Get(name) != "" {
			name = model.ExportedLabelPrefix + name
		}
		b.Set(name, l.Value)
	}
}

func validate(lset labels.Labels) error {
	if !lset.Has(model.MetricNameLabel) {
		return fail(reasonSeries, "series without a metric name: %s", excerpt(lset.String()))
	}
	if !lset.IsValid(model.UTF8Validation) {
		return fail(reasonSeries, "series with an invalid name or a label that is not UTF-8: %s", excerpt(lset.String()))
	}
	if name, twice := lset.HasDuplicateLabelNames(); twice {
		return fail(reasonSeries, "series with label %q twice: %s", excerpt(name), excerpt(lset.String()))
	}
	return nil
}

func (r *rules) checkLimits(lset labels.Labels) error {
	if n := lset.Len(); r.labelLimit > 0 && n > r.labelLimit {
		return fail(reasonLabels, "label_limit exceeded: %d labels, limit %d, in %s", n, r.labelLimit, excerpt(lset.String()))
	}
	if r.labelNameLimit == 0 && r.labelValueLimit == 0 {
		return nil
	}
	return lset.Validate(func(l labels.Label) error {
		if n := len(l.Name); r.labelNameLimit > 0 && n > r.labelNameLimit {
			return fail(reasonLabelName, "label_name_length_limit exceeded: name of %d bytes, limit %d, in %s",
				n, r.labelNameLimit, excerpt(lset.String()))
		}
		if n := len(l.Value); r.labelValueLimit > 0 && n > r.labelValueLimit {
			return fail(reasonLabelValue, "label_value_length_limit exceeded: value of %q has %d bytes, limit %d, in %s",
				excerpt(l.Name), n, r.labelValueLimit, excerpt(lset.String()))
		}
		return nil
	})
}
