package remotewrite

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// series is one time series of a request, the same for both messages. It is what a record is
// taken apart into and made from again.
type series struct {
	labels     []label
	metadata   metadata
	floats     []float
	histograms []histogramSample
	exemplars  []exemplarSample
}

type label struct{ name, value string }

// metadata is what 2.0 says of a series beside its labels.
type metadata struct {
	kind int32 // the enumeration of both protocols
	help string
	unit string
}

type float struct {
	value  float64
	timeMs int64
}

// histogramSample holds a native histogram as a Histogram message, which is the same in both
// protocols.
type histogramSample struct {
	wire   []byte
	timeMs int64
}

type exemplarSample struct {
	labels []label
	value  float64
	timeMs int64
}

func (s *series) counts() counts {
	return counts{series: 1, floats: len(s.floats), histograms: len(s.histograms), exemplars: len(s.exemplars)}
}

func (s *series) span() span {
	sp := newSpan()
	for i := range s.floats {
		sp.add(s.floats[i].timeMs)
	}
	for i := range s.histograms {
		sp.add(s.histograms[i].timeMs)
	}
	return sp
}

// size is an upper bound of what the series takes in a request, framing included.
func (s *series) size() int {
	const frame = 16 // tags and lengths of one nested message
	n := frame + labelsSize(s.labels) + len(s.metadata.help) + len(s.metadata.unit) + 3*frame
	n += len(s.floats) * 2 * frame
	for i := range s.histograms {
		n += len(s.histograms[i].wire) + frame
	}
	for i := range s.exemplars {
		n += labelsSize(s.exemplars[i].labels) + 2*frame
	}
	return n
}

func labelsSize(ls []label) int {
	n := 0
	for _, l := range ls {
		n += len(l.name) + len(l.value) + 16
	}
	return n
}

// appendKey appends what tells the series from all others.
func (s *series) appendKey(dst []byte) []byte { return appendKey(dst, s.labels) }

func appendKey(dst []byte, ls []label) []byte {
	for _, l := range ls {
		dst = binary.AppendUvarint(dst, uint64(len(l.name)))
		dst = append(dst, l.name...)
		dst = binary.AppendUvarint(dst, uint64(len(l.value)))
		dst = append(dst, l.value...)
	}
	return dst
}

// String renders the labels as PromQL does, for people.
func (s *series) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range s.labels {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(l.name)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(l.value))
	}
	b.WriteByte('}')
	return b.String()
}

// appendLabels appends the labels of lset, which are sorted by name already.
func appendLabels(dst []label, lset labels.Labels) []label {
	lset.Range(func(l labels.Label) { dst = append(dst, label{name: l.Name, value: l.Value}) })
	return dst
}

func metadataOf(m *telemetry.Metadata) metadata {
	if m == nil {
		return metadata{}
	}
	return metadata{kind: metricKind(m.Type), help: m.Help, unit: m.Unit}
}

func metricKind(t model.MetricType) int32 {
	switch t {
	case model.MetricTypeCounter:
		return 1
	case model.MetricTypeGauge:
		return 2
	case model.MetricTypeHistogram:
		return 3
	case model.MetricTypeGaugeHistogram:
		return 4
	case model.MetricTypeSummary:
		return 5
	case model.MetricTypeInfo:
		return 6
	case model.MetricTypeStateset:
		return 7
	}
	return 0
}

func sumCounts(all []series) counts {
	var c counts
	for i := range all {
		c.add(all[i].counts())
	}
	return c
}

// byTime takes series apart so that each holds samples of one timestamp, and groups them by
// it, the oldest first. Exemplars stay with the newest sample of their series.
func byTime(all []series) [][]series {
	groups := make(map[int64][]series)
	for i := range all {
		s := &all[i]
		var times []int64
		for _, f := range s.floats {
			times = append(times, f.timeMs)
		}
		for _, h := range s.histograms {
			times = append(times, h.timeMs)
		}
		slices.Sort(times)
		times = slices.Compact(times)
		for n, t := range times {
			part := series{labels: s.labels, metadata: s.metadata}
			for _, f := range s.floats {
				if f.timeMs == t {
					part.floats = append(part.floats, f)
				}
			}
			for _, h := range s.histograms {
				if h.timeMs == t {
					part.histograms = append(part.histograms, h)
				}
			}
			if n == len(times)-1 {
				part.exemplars = s.exemplars
			}
			groups[t] = append(groups[t], part)
		}
	}
	times := make([]int64, 0, len(groups))
	for t := range groups {
		times = append(times, t)
	}
	slices.Sort(times)
	out := make([][]series, len(times))
	for i, t := range times {
		out[i] = groups[t]
	}
	return out
}
