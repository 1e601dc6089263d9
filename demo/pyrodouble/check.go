package pyrodouble

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/prometheus/prometheus/model/labels"
)

// The labels that mean something to the server.
const (
	labelName     = "__name__"
	labelService  = "service_name"
	noServiceName = "unknown_service"
)

// withServiceName returns the labels sorted by name, with a service name.
func withServiceName(in []*typesv1.LabelPair) []*typesv1.LabelPair {
	out := slices.Clone(in)
	if get(out, labelService) == "" {
		out = append(out, &typesv1.LabelPair{Name: labelService, Value: noServiceName})
	}
	slices.SortStableFunc(out, func(a, b *typesv1.LabelPair) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// get returns the value of the first label of that name, or nothing.
func get(ls []*typesv1.LabelPair, name string) string {
	for _, l := range ls {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// format renders labels the way the server's messages do.
func format(ls []*typesv1.LabelPair) string {
	b := labels.NewScratchBuilder(len(ls))
	for _, l := range ls {
		b.Add(l.Name, l.Value)
	}
	return b.Labels().String()
}

// checkLabels checks labels that are sorted by name.
func (lim *Limits) checkLabels(ls []*typesv1.LabelPair) *rejection {
	if len(ls) > lim.MaxLabels {
		return invalid("max_label_names_per_series", "profile series '%s' has %d label names; limit %d", format(ls), len(ls), lim.MaxLabels)
	}
	if name := get(ls, labelName); name == "" || !utf8.ValidString(name) {
		return invalid("invalid_labels", "invalid labels '%s' with error: invalid metric name", format(ls))
	}
	for i, l := range ls {
		switch {
		case len(l.Name) > lim.MaxLabelName:
			return invalid("label_name_too_long", "profile with labels '%s' has label name too long: '%s'", format(ls), l.Name)
		case len(l.Value) > lim.MaxLabelValue:
			return invalid("label_value_too_long", "profile with labels '%s' has label value too long: '%s'", format(ls), l.Value)
		case l.Name == "" || !utf8.ValidString(l.Name):
			return invalid("invalid_labels", "invalid labels '%s' with error: invalid label name '%s'", format(ls), l.Name)
		case !utf8.ValidString(l.Value):
			return invalid("invalid_labels", "invalid labels '%s' with error: invalid label value '%s'", format(ls), l.Value)
		case i > 0 && ls[i-1].Name == l.Name:
			return invalid("duplicate_label_names", "profile with labels '%s' has duplicate label name: '%s'", format(ls), l.Name)
		}
	}
	return nil
}

// checkProfile checks a profile and gives one without a time that of now.
func (lim *Limits) checkProfile(p *googlev1.Profile, size int, ls []*typesv1.LabelPair, now time.Time) *rejection {
	if len(p.SampleType) == 0 {
		return invalid("malformed_profile", "empty profile")
	}
	if p.TimeNanos > 0 {
		at, from, to := time.Unix(0, p.TimeNanos), now.Add(-lim.RejectOlderThan), now.Add(lim.RejectNewerThan)
		if !at.After(from) || !at.Before(to) {
			return invalid("not_in_ingestion_window",
				"profile with labels '%s' is outside of ingestion window (profile timestamp: %s, the ingestion window starts at %s and ends at %s)",
				format(ls), millis(at), millis(from), millis(to))
		}
	} else {
		p.TimeNanos = now.UnixNano()
	}
	if size > lim.MaxProfileSize {
		return invalid("profile_size_limit", "the profile with labels '%s' exceeds the size limit (max_profile_size_byte, actual: %d, limit: %d)",
			format(ls), size, lim.MaxProfileSize)
	}
	if n := len(p.Sample); n > lim.MaxSamples {
		return invalid("samples_limit", "the profile with labels '%s' exceeds the samples count limit (max_profile_stacktrace_samples, actual: %d, limit: %d)",
			format(ls), n, lim.MaxSamples)
	}
	for _, s := range p.Sample {
		if n := len(s.Label); n > lim.MaxSampleLabels {
			return invalid("sample_labels_limit", "the profile with labels '%s' exceeds the sample labels limit (max_profile_stacktrace_sample_labels, actual: %d, limit: %d)",
				format(ls), n, lim.MaxSampleLabels)
		}
	}
	return checkShape(p)
}

// checkShape checks that the parts of a profile fit together.
func checkShape(p *googlev1.Profile) *rejection {
	for _, l := range p.Location {
		if l.Id == 0 {
			return malformed("location id is 0")
		}
	}
	for _, f := range p.Function {
		if f.Id == 0 {
			return malformed("function id is 0")
		}
	}
	for _, s := range p.Sample {
		if len(s.Value) != len(p.SampleType) {
			return malformed("sample value length mismatch")
		}
	}
	if len(p.StringTable) == 0 || p.StringTable[0] != "" {
		return malformed("string 0 should be empty string")
	}
	for what, indices := range stringRefs(p) {
		for _, i := range indices {
			if i < 0 || i >= int64(len(p.StringTable)) {
				return malformed("%s string index out of range", what)
			}
		}
	}
	for _, t := range p.SampleType {
		if strings.Contains(p.StringTable[t.Type], "-") {
			return malformed("sample type contains -")
		}
	}
	for _, s := range p.StringTable {
		if !utf8.ValidString(s) {
			return malformed("invalid utf8 string hex: %s", hex.EncodeToString([]byte(s)))
		}
	}
	return nil
}

// stringRefs visits what in a profile refers to its strings.
func stringRefs(p *googlev1.Profile) func(yield func(what string, indices []int64) bool) {
	return func(yield func(string, []int64) bool) {
		for _, t := range p.SampleType {
			if !yield("sample type", []int64{t.Type, t.Unit}) {
				return
			}
		}
		if t := p.PeriodType; t != nil && !yield("period type", []int64{t.Type, t.Unit}) {
			return
		}
		for _, s := range p.Sample {
			for _, l := range s.Label {
				if !yield("sample label", []int64{l.Key, l.Str, l.NumUnit}) {
					return
				}
			}
		}
		for _, f := range p.Function {
			if !yield("function", []int64{f.Name, f.SystemName, f.Filename}) {
				return
			}
		}
		for _, m := range p.Mapping {
			if !yield("mapping", []int64{m.Filename, m.BuildId}) {
				return
			}
		}
	}
}

func malformed(format string, args ...any) *rejection {
	return invalid("malformed_profile", format, args...)
}

func millis(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }
