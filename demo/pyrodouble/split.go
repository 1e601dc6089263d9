package pyrodouble

import (
	"maps"
	"slices"
	"strings"

	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
)

// labelSet holds labels by name.
type labelSet map[string]string

func toSet(ls []*typesv1.LabelPair) labelSet {
	set := make(labelSet, len(ls))
	for _, l := range ls {
		set[l.Name] = l.Value
	}
	return set
}

// normalize removes what is not stored: labels of samples that are not strings, samples with
// nothing but zeros, with locations that do not exist, or with a negative value. It returns
// how many samples had a negative value.
func normalize(p *googlev1.Profile) (negative int) {
	locations := make(map[uint64]struct{}, len(p.Location))
	for _, l := range p.Location {
		locations[l.Id] = struct{}{}
	}
	unknown := func(id uint64) bool {
		_, ok := locations[id]
		return !ok
	}
	p.Sample = slices.DeleteFunc(p.Sample, func(s *googlev1.Sample) bool {
		s.Label = slices.DeleteFunc(s.Label, func(l *googlev1.Label) bool { return l.Str == 0 })
		if slices.ContainsFunc(s.Value, func(v int64) bool { return v < 0 }) {
			negative++
			return true
		}
		zero := !slices.ContainsFunc(s.Value, func(v int64) bool { return v > 0 })
		return zero || slices.ContainsFunc(s.LocationId, unknown)
	})
	return negative
}

// group is those samples of a profile that carry the same labels of their own, with the
// labels of the series they belong to.
type group struct {
	key    string // of the samples' own labels
	labels []*typesv1.LabelPair
	totals []int64 // by sample type
}

// split groups the samples of a profile by their labels, which become labels of the series;
// of two with one name, that of the series wins. Span and trace do not make a series.
func split(p *googlev1.Profile, ls []*typesv1.LabelPair) []group {
	groups := map[string]*group{}
	for _, s := range p.Sample {
		own := sampleLabels(p, s)
		key := groupKey(own)
		g := groups[key]
		if g == nil {
			g = &group{key: key, labels: withSampleLabels(ls, own), totals: make([]int64, len(p.SampleType))}
			groups[key] = g
		}
		for i, v := range s.Value {
			g.totals[i] += v
		}
	}
	out := make([]group, 0, len(groups))
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, *groups[key])
	}
	return out
}

// sampleLabels returns the labels of a sample that make it a series of its own.
func sampleLabels(p *googlev1.Profile, s *googlev1.Sample) labelSet {
	set := labelSet{}
	for _, l := range s.Label {
		set[p.StringTable[l.Key]] = p.StringTable[l.Str]
	}
	return withoutSpans(set)
}

func withoutSpans(set labelSet) labelSet {
	for _, name := range []string{"profile_id", "span_id", "trace_id"} {
		delete(set, name)
	}
	return set
}

// groupKey is the same for two sets exactly when they hold the same labels.
func groupKey(set labelSet) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(set)) {
		b.WriteString(name + "\xff" + set[name] + "\xff")
	}
	return b.String()
}

func withSampleLabels(ls []*typesv1.LabelPair, own labelSet) []*typesv1.LabelPair {
	out := slices.Clone(ls)
	for name, value := range own {
		if !slices.ContainsFunc(ls, func(l *typesv1.LabelPair) bool { return l.Name == name }) {
			out = append(out, &typesv1.LabelPair{Name: name, Value: value})
		}
	}
	slices.SortStableFunc(out, func(a, b *typesv1.LabelPair) int { return strings.Compare(a.Name, b.Name) })
	return out
}
