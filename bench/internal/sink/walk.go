package sink

import (
	"errors"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/encoding/protowire"
)

// point is one sample on the wire. Its byte slices point into the message.
type point struct {
	name     []byte
	instance []byte
	series   uint64 // hash of all labels, as they were sent
	millis   int64
	bits     uint64 // of the value
}

// staleBits is the value that marks the end of a series.
const staleBits = 0x7ff0000000000002

func (p *point) stale() bool    { return p.bits == staleBits }
func (p *point) value() float64 { return math.Float64frombits(p.bits) }

var errTruncated = errors.New("message is cut short")

// walk calls visit for each sample of a request. Histograms and exemplars are counted as
// extra. The point is only valid during the call.
func walk(msg []byte, v2 bool, visit func(*point)) (extra int, err error) {
	if v2 {
		return walk2(msg, visit)
	}
	return walk1(msg, visit)
}

// fields calls each for the fields of a message. v holds what is delimited, else n holds
// the number.
func fields(msg []byte, each func(num protowire.Number, v []byte, n uint64) error) error {
	for len(msg) > 0 {
		num, typ, k := protowire.ConsumeTag(msg)
		if k < 0 {
			return fmt.Errorf("read field: %w", errTruncated)
		}
		msg = msg[k:]
		var v []byte
		var n uint64
		switch typ {
		case protowire.BytesType:
			v, k = protowire.ConsumeBytes(msg)
		case protowire.Fixed64Type:
			n, k = protowire.ConsumeFixed64(msg)
		case protowire.VarintType:
			n, k = protowire.ConsumeVarint(msg)
		default:
			k = protowire.ConsumeFieldValue(num, typ, msg)
		}
		if k < 0 {
			return fmt.Errorf("read field %d: %w", num, errTruncated)
		}
		msg = msg[k:]
		if err := each(num, v, n); err != nil {
			return err
		}
	}
	return nil
}

// sample is a sample before the labels of its series are known.
type sample struct {
	millis int64
	bits   uint64
}

func readSample(msg []byte) (s sample, err error) {
	err = fields(msg, func(num protowire.Number, _ []byte, n uint64) error {
		switch num {
		case 1:
			s.bits = n
		case 2:
			s.millis = int64(n)
		}
		return nil
	})
	return s, err
}

// labels gathers what is wanted of the labels of one series.
type labels struct {
	hash           *xxhash.Digest
	name, instance []byte
}

func (l *labels) reset() {
	l.hash.Reset()
	l.name, l.instance = nil, nil
}

func (l *labels) add(name, value []byte) {
	_, _ = l.hash.Write(name) // a hash takes everything
	_, _ = l.hash.Write([]byte{0xff})
	_, _ = l.hash.Write(value)
	_, _ = l.hash.Write([]byte{0xff})
	switch string(name) {
	case "__name__":
		l.name = value
	case "instance":
		l.instance = value
	}
}

func (l *labels) visit(samples []sample, visit func(*point)) {
	p := point{name: l.name, instance: l.instance, series: l.hash.Sum64()}
	for _, s := range samples {
		p.millis, p.bits = s.millis, s.bits
		visit(&p)
	}
}

// walk1 reads a prometheus.WriteRequest.
func walk1(msg []byte, visit func(*point)) (extra int, err error) {
	l := labels{hash: xxhash.New()}
	var samples []sample
	err = fields(msg, func(num protowire.Number, series []byte, _ uint64) error {
		if num != 1 {
			return nil // metadata
		}
		l.reset()
		samples = samples[:0]
		err := fields(series, func(num protowire.Number, v []byte, _ uint64) error {
			switch num {
			case 1:
				var name, value []byte
				err := fields(v, func(num protowire.Number, text []byte, _ uint64) error {
					switch num {
					case 1:
						name = text
					case 2:
						value = text
					}
					return nil
				})
				l.add(name, value)
				return err
			case 2:
				s, err := readSample(v)
				samples = append(samples, s)
				return err
			default:
				extra++
				return nil
			}
		})
		l.visit(samples, visit)
		return err
	})
	return extra, err
}

// walk2 reads an io.prometheus.write.v2.Request.
func walk2(msg []byte, visit func(*point)) (extra int, err error) {
	var symbols [][]byte
	if err := fields(msg, func(num protowire.Number, v []byte, _ uint64) error {
		if num == 4 {
			symbols = append(symbols, v)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	symbol := func(b []byte) ([]byte, []byte, error) {
		ref, k := protowire.ConsumeVarint(b)
		if k < 0 {
			return nil, nil, fmt.Errorf("read labels: %w", errTruncated)
		}
		if ref >= uint64(len(symbols)) {
			return nil, nil, fmt.Errorf("read labels: symbol %d of %d", ref, len(symbols))
		}
		return symbols[ref], b[k:], nil
	}
	l := labels{hash: xxhash.New()}
	var samples []sample
	err = fields(msg, func(num protowire.Number, series []byte, _ uint64) error {
		if num != 5 {
			return nil
		}
		l.reset()
		samples = samples[:0]
		err := fields(series, func(num protowire.Number, v []byte, _ uint64) error {
			switch num {
			case 1:
				for len(v) > 0 {
					name, rest, err := symbol(v)
					if err != nil {
						return err
					}
					value, rest, err := symbol(rest)
					if err != nil {
						return err
					}
					l.add(name, value)
					v = rest
				}
			case 2:
				s, err := readSample(v)
				samples = append(samples, s)
				return err
			case 3, 4:
				extra++
			}
			return nil
		})
		l.visit(samples, visit)
		return err
	})
	return extra, err
}
