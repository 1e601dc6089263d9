package faults

import (
	"errors"
	"math"
	"testing"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

const (
	typeV1 = "application/x-protobuf"
	typeV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

type marshaler interface{ Marshal() ([]byte, error) }

func packed(t testing.TB, m marshaler) []byte {
	t.Helper()
	raw, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, raw)
}

func series(labels ...string) prompb.TimeSeries {
	ts := prompb.TimeSeries{Samples: []prompb.Sample{{Value: 2, Timestamp: 1000}}}
	for i := 0; i < len(labels); i += 2 {
		ts.Labels = append(ts.Labels, prompb.Label{Name: labels[i], Value: labels[i+1]})
	}
	return ts
}

func v1(all ...prompb.TimeSeries) *prompb.WriteRequest { return &prompb.WriteRequest{Timeseries: all} }

func v2(symbols []string, refs ...uint32) *writev2.Request {
	return &writev2.Request{Symbols: symbols, Timeseries: []writev2.TimeSeries{{
		LabelsRefs: refs, Samples: []writev2.Sample{{Value: 2, Timestamp: 1000}},
	}}}
}

func TestDecode(t *testing.T) {
	want := []sample{{key: key("t", seriesValue, "i", "3"), timeMs: 1000, bits: math.Float64bits(2)}}
	for name, tt := range map[string]struct {
		contentType string
		body        []byte
		want        []sample // nil: refused
	}{
		"1.0":                      {typeV1, packed(t, v1(series("__name__", seriesValue, "i", "3", "target", "t"))), want},
		"2.0":                      {typeV2, packed(t, v2([]string{"", "__name__", seriesValue, "i", "3", "target", "t"}, 1, 2, 3, 4, 5, 6)), want},
		"not snappy":               {typeV1, []byte("\xff\xff\xff\xff\xff"), nil},
		"not protobuf":             {typeV1, snappy.Encode(nil, []byte("\xff")), nil},
		"empty":                    {typeV1, packed(t, v1()), nil},
		"2.0 read as 1.0":          {typeV1, packed(t, v2([]string{"", "__name__", "a"}, 1, 2)), nil},
		"no name":                  {typeV1, packed(t, v1(series("i", "3"))), nil},
		"labels not sorted":        {typeV1, packed(t, v1(series("i", "3", "__name__", "a"))), nil},
		"a label twice":            {typeV1, packed(t, v1(series("__name__", "a", "i", "3", "i", "3"))), nil},
		"an empty value":           {typeV1, packed(t, v1(series("__name__", "a", "i", ""))), nil},
		"not UTF-8":                {typeV1, packed(t, v1(series("__name__", "a\xff"))), nil},
		"no samples":               {typeV1, packed(t, v1(prompb.TimeSeries{Labels: series("__name__", "a").Labels})), nil},
		"first symbol not empty":   {typeV2, packed(t, v2([]string{"__name__", "a"}, 0, 1)), nil},
		"no symbols":               {typeV2, packed(t, v2(nil)), nil},
		"reference out of bounds":  {typeV2, packed(t, v2([]string{"", "__name__"}, 1, 2)), nil},
		"a label without a value":  {typeV2, packed(t, v2([]string{"", "__name__"}, 1)), nil},
		"longer than is allowed":   {typeV1, []byte{0xff, 0xff, 0xff, 0x7f, 0}, nil},
		"cut short in compression": {typeV1, packed(t, v1(series("__name__", "a")))[:12], nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode(tt.contentType, tt.body)
			if tt.want == nil {
				if !errors.Is(err, errNotStrict) {
					t.Fatalf("%+v, %v, want a refusal", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.samples, cmp.AllowUnexported(sample{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzDecode wants that whatever is taken has a key that can be read again.
func FuzzDecode(f *testing.F) {
	f.Add(false, packed(f, v1(series("__name__", seriesValue, "i", "3", "target", "t"))))
	f.Add(true, packed(f, v2([]string{"", "__name__", seriesValue, "i", "3"}, 1, 2, 3, 4)))
	f.Add(true, []byte{})
	f.Fuzz(func(t *testing.T, second bool, body []byte) {
		contentType := typeV1
		if second {
			contentType = typeV2
		}
		req, err := decode(contentType, body)
		if err != nil {
			return
		}
		for _, s := range req.samples {
			if labelsOf(s.key)["__name__"] == "" {
				t.Errorf("no name in %q", s.key)
			}
		}
	})
}
