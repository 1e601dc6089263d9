package remotewrite

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// decode takes a record apart into one series or more, each with a sample or more. They share
// no memory with the record.
func decode(r record) ([]series, error) {
	raw, err := decompress(r.data)
	if err != nil {
		return nil, err
	}
	var (
		d   = decoder{strings: make(map[string]string)}
		all []series
	)
	if r.message == v2 {
		all, err = d.requestV2(raw)
	} else {
		all, err = d.requestV1(raw)
	}
	if err != nil {
		return nil, err
	}
	for i := range all {
		if c := all[i].counts(); c.samples() == 0 {
			return nil, errEmpty
		}
	}
	if len(all) == 0 {
		return nil, errEmpty
	}
	return all, nil
}

var (
	errRef      = errors.New("reference outside of the symbol table")
	errOddRefs  = errors.New("label without a value")
	errWireType = errors.New("unexpected wire type")
	errTooMany  = errors.New("too many series")
	errEmpty    = errors.New("no samples")
)

// decoder reads the two messages of remote write, as far as we write them: unknown fields
// are skipped.
type decoder struct {
	symbols []string          // of a 2.0 request
	strings map[string]string // of a 1.0 request, which repeats its strings
}

// field is one field of a message: n for the numeric wire types, b for the others.
type field struct {
	num  protowire.Number
	kind protowire.Type
	n    uint64
	b    []byte
}

func (f field) double() float64 { return math.Float64frombits(f.n) }

// eachField calls fn for the fields of a message one by one.
func eachField(b []byte, fn func(field) error) error {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		f := field{num: num, kind: kind}
		switch kind {
		case protowire.VarintType:
			f.n, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			f.n, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			f.b, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, kind, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := fn(f); err != nil {
			return fmt.Errorf("field %d: %w", num, err)
		}
	}
	return nil
}

// nested calls fn with the body of a field that has to be a string, bytes or a message.
func nested(f field, fn func([]byte) error) error {
	if f.kind != protowire.BytesType {
		return errWireType
	}
	return fn(f.b)
}

func (d *decoder) requestV1(raw []byte) ([]series, error) {
	var out []series
	err := eachField(raw, func(f field) error {
		if f.num != fieldV1Series {
			return nil
		}
		return nested(f, func(b []byte) error {
			if len(out) == maxDecodedSeries {
				return errTooMany
			}
			s, err := d.seriesV1(b)
			out = append(out, s)
			return err
		})
	})
	return out, err
}

func (d *decoder) seriesV1(b []byte) (s series, err error) {
	err = eachField(b, func(f field) error {
		switch f.num {
		case fieldV1Labels:
			return nested(f, func(b []byte) error {
				l, err := d.label(b)
				s.labels = append(s.labels, l)
				return err
			})
		case fieldV1Samples:
			return nested(f, s.decodeFloat)
		case fieldV1Histograms:
			return nested(f, s.decodeHistogram)
		case fieldV1Exemplars:
			return nested(f, func(b []byte) error { return d.exemplar(b, v1, &s) })
		}
		return nil
	})
	return s, err
}

func (d *decoder) requestV2(raw []byte) ([]series, error) {
	// The table may come after the series that refer to it.
	err := eachField(raw, func(f field) error {
		if f.num != fieldV2Symbols {
			return nil
		}
		return nested(f, func(b []byte) error {
			d.symbols = append(d.symbols, string(b))
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	var out []series
	err = eachField(raw, func(f field) error {
		if f.num != fieldV2Series {
			return nil
		}
		return nested(f, func(b []byte) error {
			if len(out) == maxDecodedSeries {
				return errTooMany
			}
			s, err := d.seriesV2(b)
			out = append(out, s)
			return err
		})
	})
	return out, err
}

func (d *decoder) seriesV2(b []byte) (s series, err error) {
	err = eachField(b, func(f field) error {
		switch f.num {
		case fieldV2LabelRefs:
			return nested(f, func(b []byte) (err error) {
				s.labels, err = d.labelRefs(b)
				return err
			})
		case fieldV2Samples:
			return nested(f, s.decodeFloat)
		case fieldV2Histograms:
			return nested(f, s.decodeHistogram)
		case fieldV2Exemplars:
			return nested(f, func(b []byte) error { return d.exemplar(b, v2, &s) })
		case fieldV2Metadata:
			return nested(f, func(b []byte) (err error) {
				s.metadata, err = d.metadata(b)
				return err
			})
		}
		return nil
	})
	return s, err
}

func (d *decoder) label(b []byte) (l label, err error) {
	err = eachField(b, func(f field) error {
		switch f.num {
		case fieldLabelName:
			l.name = d.intern(f.b)
		case fieldLabelValue:
			l.value = d.intern(f.b)
		}
		return nil
	})
	return l, err
}

func (d *decoder) intern(b []byte) string {
	if s, ok := d.strings[string(b)]; ok {
		return s
	}
	s := string(b)
	d.strings[s] = s
	return s
}

func (d *decoder) symbol(ref uint64) (string, error) {
	if ref >= uint64(len(d.symbols)) {
		return "", errRef
	}
	return d.symbols[ref], nil
}

func (d *decoder) labelRefs(b []byte) ([]label, error) {
	var refs []string
	for len(b) > 0 {
		ref, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
		s, err := d.symbol(ref)
		if err != nil {
			return nil, err
		}
		refs = append(refs, s)
	}
	if len(refs)%2 != 0 {
		return nil, errOddRefs
	}
	ls := make([]label, len(refs)/2)
	for i := range ls {
		ls[i] = label{name: refs[2*i], value: refs[2*i+1]}
	}
	return ls, nil
}

func (d *decoder) metadata(b []byte) (m metadata, err error) {
	err = eachField(b, func(f field) (err error) {
		switch f.num {
		case fieldMetadataType:
			m.kind = int32(f.n)
		case fieldMetadataHelp:
			m.help, err = d.symbol(f.n)
		case fieldMetadataUnit:
			m.unit, err = d.symbol(f.n)
		}
		return err
	})
	return m, err
}

func (d *decoder) exemplar(b []byte, m message, s *series) error {
	var e exemplarSample
	err := eachField(b, func(f field) error {
		switch {
		case f.num == fieldExemplarLabels && m == v2:
			return nested(f, func(b []byte) (err error) {
				e.labels, err = d.labelRefs(b)
				return err
			})
		case f.num == fieldExemplarLabels:
			return nested(f, func(b []byte) error {
				l, err := d.label(b)
				e.labels = append(e.labels, l)
				return err
			})
		case f.num == fieldExemplarValue:
			e.value = f.double()
		case f.num == fieldExemplarTime:
			e.timeMs = int64(f.n)
		}
		return nil
	})
	s.exemplars = append(s.exemplars, e)
	return err
}

func (s *series) decodeFloat(b []byte) error {
	var v float
	err := eachField(b, func(f field) error {
		switch f.num {
		case fieldSampleValue:
			v.value = f.double()
		case fieldSampleTime:
			v.timeMs = int64(f.n)
		}
		return nil
	})
	s.floats = append(s.floats, v)
	return err
}

func (s *series) decodeHistogram(b []byte) error {
	h := histogramSample{wire: append([]byte(nil), b...)}
	err := eachField(b, func(f field) error {
		if f.num == fieldHistTime {
			h.timeMs = int64(f.n)
		}
		return nil
	})
	s.histograms = append(s.histograms, h)
	return err
}
