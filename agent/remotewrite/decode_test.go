package remotewrite

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/encoding/protowire"
)

// someSeries holds everything that a series can hold.
func someSeries() []series {
	h := &histogram.Histogram{Count: 3, Sum: 4.5, Schema: 1, PositiveSpans: []histogram.Span{{Offset: -2, Length: 1}}, PositiveBuckets: []int64{3}}
	fh := &histogram.FloatHistogram{Count: 2.5, Sum: 1, NegativeSpans: []histogram.Span{{Offset: 1, Length: 1}}, NegativeBuckets: []float64{2.5}}
	return []series{
		{
			labels:   []label{{"__name__", "a_total"}, {"job", "checkout"}},
			metadata: metadata{kind: 1, help: "Help of a.", unit: "seconds"},
			floats:   []float{{1.5, t0}, {0, t0 + 1}},
			exemplars: []exemplarSample{
				{labels: []label{{"trace_id", "abc"}, {"job", "trace"}}, value: 0.1, timeMs: t0 - 3},
				{value: -1, timeMs: t0},
			},
		},
		{
			labels:     []label{{"__name__", "h"}, {"empty", ""}},
			metadata:   metadata{kind: 3},
			histograms: []histogramSample{{appendHistogram(nil, h, t0), t0}, {appendFloatHistogram(nil, fh, -5), -5}},
		},
		{labels: []label{{"__name__", "checkout"}}, metadata: metadata{help: "Only help."}, floats: []float{{-1, 7}}},
	}
}

var neutral = cmp.Options{
	cmp.AllowUnexported(series{}, label{}, metadata{}, float{}, histogramSample{}, exemplarSample{}), cmpopts.EquateEmpty(),
}

func TestDecodeRoundTrip(t *testing.T) {
	for _, m := range bothMessages {
		want := someSeries()
		r := encodeSeries(want, m, time.Now())
		got, err := decode(r)
		if err != nil {
			t.Fatal(err)
		}
		if m == v1 {
			for i := range want {
				want[i].metadata = metadata{}
			}
		}
		if d := cmp.Diff(want, got, neutral); d != "" {
			t.Errorf("%s (-want +got):\n%s", m, d)
		}
		checkRecord(t, r, parseRequest(t, r.message.contentType(), r.data))
		if r.minMs != -5 || r.maxMs != t0+1 {
			t.Errorf("%s: from %d to %d", m, r.minMs, r.maxMs)
		}
	}
}

func TestTranslateIsWhatOneDotZeroWouldHaveBeen(t *testing.T) {
	all, err := decode(encodeSeries(someSeries(), v2, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	direct := encodeSeries(someSeries(), v1, time.Now())
	if d := diff(parseRequest(t, "", direct.data), parseRequest(t, "", encodeSeries(all, v1, time.Now()).data)); d != "" {
		t.Errorf("(-direct +translated):\n%s", d)
	}
}

func TestDecodeScrapes(t *testing.T) {
	// What the fast path of the encoder makes is read as well.
	for _, m := range bothMessages {
		cfg := &Config{SendExemplars: true, SendNativeHistograms: true}
		enc := newEncoder(cfg, nil, labels.FromStrings("cluster", "x"))
		var rs []record
		enc.encode(scrapeOf(target("a:1"), seriesSet(7), t0), m, limits{samples: 3, bytes: maxRequestBytes}, func(r record) {
			r.data = bytes.Clone(r.data)
			rs = append(rs, r)
		})
		for _, r := range rs {
			all, err := decode(r)
			if err != nil {
				t.Fatal(err)
			}
			again := encodeSeries(all, m, r.queued)
			if d := diff(parseRequest(t, m.contentType(), r.data), parseRequest(t, m.contentType(), again.data)); d != "" || again.counts != r.counts {
				t.Errorf("%s: taken apart and made again (-before +after):\n%s", m, d)
			}
		}
	}
}

func TestReencodeBounds(t *testing.T) {
	var all []series
	for i := range 10 {
		all = append(all, series{labels: []label{{"__name__", fmt.Sprint("m", i)}}, floats: []float{{1, t0}, {2, t0 + 1}}})
	}
	sizes := func(lim limits) (out []int) {
		for _, r := range reencode(all, v1, lim, time.Now()) {
			out = append(out, r.counts.series)
		}
		return out
	}
	for _, c := range []struct {
		lim  limits
		want string
	}{
		{limits{samples: 20, bytes: 1 << 20}, "[10]"},
		{limits{samples: 7, bytes: 1 << 20}, "[3 3 3 1]"},
		{limits{samples: 1, bytes: 1 << 20}, "[1 1 1 1 1 1 1 1 1 1]"}, // a series is never divided
		{limits{samples: 100, bytes: 3 * all[0].size()}, "[3 3 3 1]"},
		{limits{samples: 100, bytes: 1}, "[1 1 1 1 1 1 1 1 1 1]"},
	} {
		if got := fmt.Sprint(sizes(c.lim)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.lim, got, c.want)
		}
	}
	if rs := reencode(nil, v1, limits{samples: 1, bytes: 1}, time.Now()); len(rs) != 0 {
		t.Errorf("nothing made %d records", len(rs))
	}
}

func TestSizeIsAnUpperBound(t *testing.T) {
	for _, s := range someSeries() {
		for _, m := range bothMessages {
			syms := newSymbols(nil)
			n := len(appendSeries(nil, m, &s, syms)) + len(syms.wire)
			if n > s.size() {
				t.Errorf("%s %s takes %d bytes, more than %d", m, s.String(), n, s.size())
			}
		}
	}
}

func TestDecodeDamaged(t *testing.T) {
	pack := func(raw []byte) []byte { return snappy.Encode(nil, raw) }
	refs := func(ns ...uint64) []byte {
		var b []byte
		for _, n := range ns {
			b = protowire.AppendVarint(b, n)
		}
		return b
	}
	v2Series := func(body func([]byte) []byte) []byte {
		b := appendString(nil, fieldV2Symbols, "")
		return pack(appendMessage(b, fieldV2Series, body))
	}
	for _, c := range []struct {
		what string
		m    message
		data []byte
		err  error // nil: any
	}{
		{"nothing", v1, nil, nil},
		{"no series", v1, pack(nil), errEmpty},
		{"no series", v2, pack(appendString(nil, fieldV2Symbols, "")), errEmpty},
		{"no samples", v1, pack(appendMessage(nil, fieldV1Series, func(b []byte) []byte { return appendLabelsV1(b, 1, []label{{"a", "b"}}) })), errEmpty},
		{"not snappy", v1, []byte("\xff\xff\xff\xff\x0fgarbage"), nil},
		{"a snappy bomb", v1, protowire.AppendVarint(nil, 1<<31), nil},
		{"cut off", v1, pack([]byte{0x0a, 0x05, 1}), nil},
		{"series as a number", v1, pack([]byte{0x08, 0x05}), errWireType},
		{"series as a number", v2, pack([]byte{0x28, 0x05}), errWireType},
		{"symbol as a number", v2, pack([]byte{0x20, 0x05}), errWireType},
		{"reference out of range", v2, v2Series(func(b []byte) []byte {
			b = protowire.AppendTag(b, fieldV2LabelRefs, protowire.BytesType)
			return protowire.AppendBytes(b, refs(0, 1))
		}), errRef},
		{"half a label", v2, v2Series(func(b []byte) []byte {
			b = protowire.AppendTag(b, fieldV2LabelRefs, protowire.BytesType)
			return protowire.AppendBytes(b, refs(0))
		}), errOddRefs},
	} {
		got, err := decode(record{message: c.m, data: c.data})
		if err == nil || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s in %s: got %v and error %v, want %v", c.what, c.m, got, err, c.err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range bothMessages {
		r := encodeSeries(someSeries(), m, time.Time{})
		raw, err := decompress(r.data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, m == v2)
		f.Add(raw[:len(raw)/2], m == v2)
		f.Add(raw, m != v2) // one taken for the other
	}
	f.Add([]byte{}, false)
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, false)
	f.Add([]byte{0x22, 0x00, 0x2a, 0x02, 0x0a, 0x01, 0x05}, true)
	f.Add([]byte{0x0b, 0x0b, 0x0c, 0x0c}, false) // groups
	f.Fuzz(func(t *testing.T, raw []byte, second bool) {
		m := v1
		if second {
			m = v2
		}
		_, _ = decode(record{message: m, data: raw}) // as damaged snappy
		all, err := decode(record{message: m, data: snappy.Encode(nil, raw)})
		if err != nil {
			return
		}
		// Whatever could be read survives being written and read again, and every way of
		// taking it apart keeps its samples.
		r := encodeSeries(all, m, time.Time{})
		again, err := decode(r)
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if sumCounts(again) != r.counts || sumCounts(all) != r.counts {
			t.Fatalf("counts %+v, %+v and %+v differ", sumCounts(all), r.counts, sumCounts(again))
		}
		n := 0
		for _, g := range byTime(all) {
			n += sumCounts(g).samples()
		}
		if n != r.counts.samples() {
			t.Fatalf("%d samples by time, want %d", n, r.counts.samples())
		}
	})
}
