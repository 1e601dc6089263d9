package remotewrite

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"google.golang.org/protobuf/encoding/protowire"
)

// appendMessage appends a nested message, whose length is known only once it is written.
func appendMessage(dst []byte, num protowire.Number, body func([]byte) []byte) []byte {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	start := len(dst)
	dst = body(dst)
	n := len(dst) - start
	var prefix [10]byte
	size := len(protowire.AppendVarint(prefix[:0], uint64(n)))
	dst = append(dst, prefix[:size]...)
	copy(dst[start+size:], dst[start:start+n])
	copy(dst[start:], prefix[:size])
	return dst
}

func appendString(dst []byte, num protowire.Number, s string) []byte {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	return protowire.AppendString(dst, s)
}

func appendDouble(dst []byte, num protowire.Number, v float64) []byte {
	dst = protowire.AppendTag(dst, num, protowire.Fixed64Type)
	return protowire.AppendFixed64(dst, math.Float64bits(v))
}

func appendVarint(dst []byte, num protowire.Number, v uint64) []byte {
	dst = protowire.AppendTag(dst, num, protowire.VarintType)
	return protowire.AppendVarint(dst, v)
}

// appendSeries appends one series as a field of a request. syms is used by 2.0 alone.
func appendSeries(dst []byte, m message, s *series, syms *symbols) []byte {
	if m == v2 {
		return appendMessage(dst, fieldV2Series, func(dst []byte) []byte {
			dst = appendShapeV2(dst, s.labels, s.metadata, syms)
			for _, f := range s.floats {
				dst = appendFloat(dst, fieldV2Samples, f)
			}
			for _, h := range s.histograms {
				dst = protowire.AppendTag(dst, fieldV2Histograms, protowire.BytesType)
				dst = protowire.AppendBytes(dst, h.wire)
			}
			return appendExemplars(dst, m, s.exemplars, syms)
		})
	}
	return appendMessage(dst, fieldV1Series, func(dst []byte) []byte {
		dst = appendShapeV1(dst, s.labels)
		for _, f := range s.floats {
			dst = appendFloat(dst, fieldV1Samples, f)
		}
		dst = appendExemplars(dst, m, s.exemplars, syms)
		for _, h := range s.histograms {
			dst = protowire.AppendTag(dst, fieldV1Histograms, protowire.BytesType)
			dst = protowire.AppendBytes(dst, h.wire)
		}
		return dst
	})
}

// appendShapeV1 appends what stays the same of a series from request to request.
func appendShapeV1(dst []byte, ls []label) []byte { return appendLabelsV1(dst, fieldV1Labels, ls) }

// appendShapeV2 appends what stays the same of a series from request to request.
func appendShapeV2(dst []byte, ls []label, md metadata, syms *symbols) []byte {
	dst = appendLabelRefs(dst, fieldV2LabelRefs, ls, syms)
	if md == (metadata{}) {
		return dst
	}
	return appendMessage(dst, fieldV2Metadata, func(dst []byte) []byte {
		if md.kind != 0 {
			dst = appendVarint(dst, fieldMetadataType, uint64(md.kind))
		}
		if md.help != "" {
			dst = appendVarint(dst, fieldMetadataHelp, uint64(syms.ref(md.help)))
		}
		if md.unit != "" {
			dst = appendVarint(dst, fieldMetadataUnit, uint64(syms.ref(md.unit)))
		}
		return dst
	})
}

func appendLabelsV1(dst []byte, num protowire.Number, ls []label) []byte {
	for _, l := range ls {
		n := protowire.SizeTag(fieldLabelName) + protowire.SizeBytes(len(l.name)) +
			protowire.SizeTag(fieldLabelValue) + protowire.SizeBytes(len(l.value))
		dst = protowire.AppendTag(dst, num, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(n))
		dst = appendString(dst, fieldLabelName, l.name)
		dst = appendString(dst, fieldLabelValue, l.value)
	}
	return dst
}

func appendLabelRefs(dst []byte, num protowire.Number, ls []label, syms *symbols) []byte {
	if len(ls) == 0 {
		return dst
	}
	return appendMessage(dst, num, func(dst []byte) []byte {
		for _, l := range ls {
			dst = protowire.AppendVarint(dst, uint64(syms.ref(l.name)))
			dst = protowire.AppendVarint(dst, uint64(syms.ref(l.value)))
		}
		return dst
	})
}

func appendFloat(dst []byte, num protowire.Number, f float) []byte {
	return appendMessage(dst, num, func(dst []byte) []byte {
		dst = appendDouble(dst, fieldSampleValue, f.value)
		return appendVarint(dst, fieldSampleTime, uint64(f.timeMs))
	})
}

func appendExemplars(dst []byte, m message, exemplars []exemplarSample, syms *symbols) []byte {
	num := protowire.Number(fieldV1Exemplars)
	if m == v2 {
		num = fieldV2Exemplars
	}
	for i := range exemplars {
		e := &exemplars[i]
		dst = appendMessage(dst, num, func(dst []byte) []byte {
			if m == v2 {
				dst = appendLabelRefs(dst, fieldExemplarLabels, e.labels, syms)
			} else {
				dst = appendLabelsV1(dst, fieldExemplarLabels, e.labels)
			}
			dst = appendDouble(dst, fieldExemplarValue, e.value)
			return appendVarint(dst, fieldExemplarTime, uint64(e.timeMs))
		})
	}
	return dst
}

// The fields of a Histogram message, which is the same in both protocols.
const (
	fieldHistCountInt       = 1
	fieldHistCountFloat     = 2
	fieldHistSum            = 3
	fieldHistSchema         = 4
	fieldHistZeroThreshold  = 5
	fieldHistZeroCountInt   = 6
	fieldHistZeroCountFloat = 7
	fieldHistNegativeSpans  = 8
	fieldHistNegativeDeltas = 9
	fieldHistNegativeCounts = 10
	fieldHistPositiveSpans  = 11
	fieldHistPositiveDeltas = 12
	fieldHistPositiveCounts = 13
	fieldHistResetHint      = 14
	fieldHistTime           = 15
	fieldHistCustomValues   = 16
)

// appendHistogram appends the body of a Histogram message. A start timestamp is never sent:
// the release candidates of 2.0 disagree on where it goes.
func appendHistogram(dst []byte, h *histogram.Histogram, timeMs int64) []byte {
	dst = appendVarint(dst, fieldHistCountInt, h.Count)
	dst = appendHistogramHead(dst, h.Sum, h.Schema, h.ZeroThreshold)
	dst = appendVarint(dst, fieldHistZeroCountInt, h.ZeroCount)
	dst = appendSpans(dst, fieldHistNegativeSpans, h.NegativeSpans)
	dst = appendDeltas(dst, fieldHistNegativeDeltas, h.NegativeBuckets)
	dst = appendSpans(dst, fieldHistPositiveSpans, h.PositiveSpans)
	dst = appendDeltas(dst, fieldHistPositiveDeltas, h.PositiveBuckets)
	return appendHistogramTail(dst, h.CounterResetHint, timeMs, h.CustomValues)
}

// appendFloatHistogram is appendHistogram for a histogram of floats.
func appendFloatHistogram(dst []byte, h *histogram.FloatHistogram, timeMs int64) []byte {
	dst = appendDouble(dst, fieldHistCountFloat, h.Count)
	dst = appendHistogramHead(dst, h.Sum, h.Schema, h.ZeroThreshold)
	dst = appendDouble(dst, fieldHistZeroCountFloat, h.ZeroCount)
	dst = appendSpans(dst, fieldHistNegativeSpans, h.NegativeSpans)
	dst = appendDoubles(dst, fieldHistNegativeCounts, h.NegativeBuckets)
	dst = appendSpans(dst, fieldHistPositiveSpans, h.PositiveSpans)
	dst = appendDoubles(dst, fieldHistPositiveCounts, h.PositiveBuckets)
	return appendHistogramTail(dst, h.CounterResetHint, timeMs, h.CustomValues)
}

func appendHistogramHead(dst []byte, sum float64, schema int32, zeroThreshold float64) []byte {
	dst = appendDouble(dst, fieldHistSum, sum)
	dst = appendVarint(dst, fieldHistSchema, protowire.EncodeZigZag(int64(schema)))
	return appendDouble(dst, fieldHistZeroThreshold, zeroThreshold)
}

func appendHistogramTail(dst []byte, hint histogram.CounterResetHint, timeMs int64, custom []float64) []byte {
	if hint != histogram.UnknownCounterReset {
		dst = appendVarint(dst, fieldHistResetHint, uint64(hint)) // the numbers are the same
	}
	dst = appendVarint(dst, fieldHistTime, uint64(timeMs))
	return appendDoubles(dst, fieldHistCustomValues, custom)
}

func appendSpans(dst []byte, num protowire.Number, spans []histogram.Span) []byte {
	for _, s := range spans {
		dst = appendMessage(dst, num, func(dst []byte) []byte {
			dst = appendVarint(dst, 1, protowire.EncodeZigZag(int64(s.Offset)))
			return appendVarint(dst, 2, uint64(s.Length))
		})
	}
	return dst
}

func appendDeltas(dst []byte, num protowire.Number, deltas []int64) []byte {
	if len(deltas) == 0 {
		return dst
	}
	return appendMessage(dst, num, func(dst []byte) []byte {
		for _, d := range deltas {
			dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(d))
		}
		return dst
	})
}

func appendDoubles(dst []byte, num protowire.Number, vs []float64) []byte {
	if len(vs) == 0 {
		return dst
	}
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(8*len(vs)))
	for _, v := range vs {
		dst = protowire.AppendFixed64(dst, math.Float64bits(v))
	}
	return dst
}
