package console

import (
	"cmp"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// family is the series of one target that belong under one TYPE line. It is immutable.
type family struct {
	name, typ, help string
	// members are indexes into the series set, or into the rest, in exposition order.
	members []int32
}

// groupSeries returns the families of a set, sorted by name.
func groupSeries(s *telemetry.SeriesSet) []family {
	return group(s.Len(), func(i int) (labels.Labels, *telemetry.Metadata) {
		return s.At(i), s.Metadata(i)
	})
}

// groupRest returns the families of single samples, sorted by name.
func groupRest(rest []telemetry.Sample) []family {
	return group(len(rest), func(i int) (labels.Labels, *telemetry.Metadata) {
		return rest[i].Labels, rest[i].Metadata
	})
}

func group(n int, at func(int) (labels.Labels, *telemetry.Metadata)) []family {
	var out []family
	byName := map[string]int{}
	for i := range n {
		lset, md := at(i)
		name, typ, help := textFamily(lset.Get(model.MetricNameLabel), md)
		f, ok := byName[name]
		if !ok {
			f = len(out)
			byName[name] = f
			out = append(out, family{name: name, typ: typ, help: help})
		}
		out[f].members = append(out[f].members, int32(i))
	}
	slices.SortFunc(out, func(a, b family) int { return cmp.Compare(a.name, b.name) })
	return out
}

// textFamily returns what the TYPE and HELP lines of a series say in the text format, which
// knows five types, and has no family that its series do not follow in name: there the
// counter foo of OpenMetrics is foo_total, and foo_created is a family of its own.
func textFamily(name string, md *telemetry.Metadata) (family, typ, help string) {
	if md == nil {
		return name, "untyped", ""
	}
	suffixed := func(suffixes ...string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return name == md.Family+s })
	}
	switch md.Type {
	case model.MetricTypeCounter:
		if suffixed("", "_total") {
			return name, "counter", md.Help
		}
	case model.MetricTypeGauge, model.MetricTypeStateset:
		if suffixed("") {
			return name, "gauge", md.Help
		}
	case model.MetricTypeInfo:
		if suffixed("", "_info") {
			return name, "gauge", md.Help
		}
	case model.MetricTypeHistogram:
		if suffixed("_bucket", "_sum", "_count") {
			return md.Family, "histogram", md.Help
		}
	case model.MetricTypeSummary:
		if suffixed("", "_sum", "_count") {
			return md.Family, "summary", md.Help
		}
	default:
		if suffixed("") {
			return name, "untyped", md.Help
		}
	}
	return name, "untyped", ""
}
