package faults

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// maxBody bounds what the receiver reads of a request.
const maxBody = 32 << 20

// sample is one sample of a request.
type sample struct {
	key    string // all labels, in their order
	timeMs int64
	bits   uint64 // of the float; of a histogram a hash of its encoding
	hist   bool
}

// request is one write request, decoded.
type request struct {
	v2      bool
	samples []sample
}

// The separators of labels in a key: no label holds them, since they are not UTF-8.
const (
	keyEquals = '\xfe'
	keyEnd    = '\xff'
)

// errNotStrict is what a request is refused with that a strict receiver does not understand.
var errNotStrict = errors.New("not a proper write request")

// decode reads a request as strictly as Prometheus and more: labels must be sorted, unique and
// not empty, a series must have samples, and the symbol table must be as the protocol has it.
func decode(contentType string, body []byte) (request, error) {
	req := request{v2: strings.Contains(contentType, "io.prometheus.write.v2.Request")}
	n, err := snappy.DecodedLen(body)
	if err != nil || n > maxBody {
		return req, fmt.Errorf("%w: decoded length %d: %v", errNotStrict, n, err)
	}
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return req, fmt.Errorf("%w: %w", errNotStrict, err)
	}
	if req.v2 {
		err = req.decodeV2(raw)
	} else {
		err = req.decodeV1(raw)
	}
	if err != nil {
		return req, fmt.Errorf("%w: %w", errNotStrict, err)
	}
	if len(req.samples) == 0 {
		return req, fmt.Errorf("%w: no samples", errNotStrict)
	}
	return req, nil
}

func (r *request) decodeV1(raw []byte) error {
	var m prompb.WriteRequest
	if err := m.Unmarshal(raw); err != nil {
		return err
	}
	for i := range m.Timeseries {
		ts := &m.Timeseries[i]
		var k keyMaker
		for _, l := range ts.Labels {
			if err := k.add(l.Name, l.Value); err != nil {
				return err
			}
		}
		key, err := k.key()
		if err != nil {
			return err
		}
		if len(ts.Samples)+len(ts.Histograms) == 0 {
			return errors.New("series without samples")
		}
		for _, s := range ts.Samples {
			r.samples = append(r.samples, sample{key: key, timeMs: s.Timestamp, bits: math.Float64bits(s.Value)})
		}
		for j := range ts.Histograms {
			wire, err := ts.Histograms[j].Marshal()
			if err != nil {
				return err
			}
			r.samples = append(r.samples, sample{key: key, timeMs: ts.Histograms[j].Timestamp, bits: hash(wire), hist: true})
		}
	}
	return nil
}

func (r *request) decodeV2(raw []byte) error {
	var m writev2.Request
	if err := m.Unmarshal(raw); err != nil {
		return err
	}
	if len(m.Symbols) == 0 || m.Symbols[0] != "" {
		return errors.New("the first symbol is not empty")
	}
	for i := range m.Timeseries {
		ts := &m.Timeseries[i]
		if len(ts.LabelsRefs)%2 != 0 {
			return errors.New("label without a value")
		}
		var k keyMaker
		for j := 0; j < len(ts.LabelsRefs); j += 2 {
			a, b := int(ts.LabelsRefs[j]), int(ts.LabelsRefs[j+1])
			if a >= len(m.Symbols) || b >= len(m.Symbols) {
				return errors.New("reference outside of the symbol table")
			}
			if err := k.add(m.Symbols[a], m.Symbols[b]); err != nil {
				return err
			}
		}
		key, err := k.key()
		if err != nil {
			return err
		}
		if len(ts.Samples)+len(ts.Histograms) == 0 {
			return errors.New("series without samples")
		}
		for _, s := range ts.Samples {
			r.samples = append(r.samples, sample{key: key, timeMs: s.Timestamp, bits: math.Float64bits(s.Value)})
		}
		for j := range ts.Histograms {
			wire, err := ts.Histograms[j].Marshal()
			if err != nil {
				return err
			}
			r.samples = append(r.samples, sample{key: key, timeMs: ts.Histograms[j].Timestamp, bits: hash(wire), hist: true})
		}
	}
	return nil
}

// histograms counts those of the samples that are one.
func (r *request) histograms() int {
	n := 0
	for _, s := range r.samples {
		if s.hist {
			n++
		}
	}
	return n
}

func hash(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// keyMaker makes the key of a series of its labels.
type keyMaker struct {
	b     []byte
	last  string
	named bool
}

func (k *keyMaker) add(name, value string) error {
	switch {
	case name == "" || value == "":
		return fmt.Errorf("label %q is %q", name, value)
	case !utf8.ValidString(name) || !utf8.ValidString(value):
		return fmt.Errorf("label %q=%q is not UTF-8", name, value)
	case name <= k.last:
		return fmt.Errorf("label %q after %q", name, k.last)
	}
	k.last = name
	k.named = k.named || name == "__name__"
	k.b = append(k.b, name...)
	k.b = append(k.b, keyEquals)
	k.b = append(k.b, value...)
	k.b = append(k.b, keyEnd)
	return nil
}

func (k *keyMaker) key() (string, error) {
	if !k.named {
		return "", errors.New("series without a name")
	}
	return string(k.b), nil
}

// labelsOf takes a key apart again.
func labelsOf(key string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimSuffix(key, string([]byte{keyEnd})), string([]byte{keyEnd})) {
		name, value, _ := strings.Cut(part, string([]byte{keyEquals}))
		out[name] = value
	}
	return out
}

// show renders a key for people.
func show(key string) string {
	l := labelsOf(key)
	var parts []string
	for _, name := range []string{"target", "job", "i", "gen"} {
		if v := l[name]; v != "" {
			parts = append(parts, name+"="+strconv.Quote(v))
		}
	}
	return l["__name__"] + "{" + strings.Join(parts, ",") + "}"
}
