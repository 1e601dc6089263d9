package telemetry

import (
	"encoding/binary"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Symbols numbers the strings that the labels of many series are made of, so that a series
// takes some twenty bytes in place of some two hundred. It only grows. It is not safe for
// concurrent use, but blocks that were made with it are.
type Symbols struct {
	ids  map[string]uint32
	strs []string
	buf  []byte
	// made is for labels that are decoded.
	made labels.ScratchBuilder
}

// Coded is a label set in the numbers of one Symbols. Two of the same Symbols are equal if and
// only if the label sets are.
type Coded string

// NewSymbols returns an empty table.
func NewSymbols() *Symbols {
	s := &Symbols{ids: map[string]uint32{}}
	s.id(model.MetricNameLabel) // 0, which Coded.name counts on
	return s
}

// Len is the number of strings.
func (s *Symbols) Len() int { return len(s.strs) }

// Rest lets go of what only encoding and decoding needs. It costs much to make again.
func (s *Symbols) Rest() { s.ids, s.buf, s.made = nil, nil, labels.ScratchBuilder{} }

func (s *Symbols) id(v string) uint32 {
	if s.ids == nil {
		s.ids = make(map[string]uint32, len(s.strs))
		for id, v := range s.strs {
			s.ids[v] = uint32(id)
		}
	}
	if id, ok := s.ids[v]; ok {
		return id
	}
	id := uint32(len(s.strs))
	v = strings.Clone(v) // it may be a small part of a large string
	s.ids[v] = id
	s.strs = append(s.strs, v)
	return id
}

// Encode numbers a label set, and the strings in it that are new.
func (s *Symbols) Encode(lset labels.Labels) Coded { return Coded(s.Key(lset)) }

// Key returns the bytes of what Encode does, to look them up in a map without a copy. They are
// good until the next call.
func (s *Symbols) Key(lset labels.Labels) []byte {
	s.buf = s.buf[:0]
	lset.Range(func(l labels.Label) { s.buf = s.Append(s.buf, l) })
	return s.buf
}

// Append appends one label of a label set in the making, as Key has it. They have to be sorted
// by name.
func (s *Symbols) Append(key []byte, l labels.Label) []byte {
	key = binary.AppendUvarint(key, uint64(s.id(l.Name)))
	return binary.AppendUvarint(key, uint64(s.id(l.Value)))
}

// Recoder numbers label sets anew, so that strings that none of them has are let go of.
type Recoder struct {
	from, to *Symbols
	ids      []uint32 // in to, plus 1, by those in from; 0: none yet
}

// NewRecoder returns one for label sets of from, which it does not change.
func NewRecoder(from *Symbols) *Recoder {
	return &Recoder{from: from, to: NewSymbols(), ids: make([]uint32, len(from.strs))}
}

// Symbols are those that the label sets which Recode returns are in.
func (r *Recoder) Symbols() *Symbols { return r.to }

// Recode returns a label set in the new numbers.
func (r *Recoder) Recode(c Coded) Coded {
	key := r.to.buf[:0]
	for len(c) > 0 {
		var n uint32
		n, c = c.number()
		if r.ids[n] == 0 {
			r.ids[n] = 1 + r.to.id(r.from.strs[n])
		}
		key = binary.AppendUvarint(key, uint64(r.ids[n]-1))
	}
	r.to.buf = key
	return Coded(key)
}

// Decode returns the label set again.
func (s *Symbols) Decode(c Coded) labels.Labels {
	s.made.Reset()
	return c.labels(s.strs, &s.made)
}

// Name returns the metric name in c; empty if there is none.
func (s *Symbols) Name(c Coded) string { return c.name(s.strs) }

// next takes one label off c.
func (c Coded) next(strs []string) (l labels.Label, rest Coded) {
	name, c := c.number()
	value, c := c.number()
	return labels.Label{Name: strs[name], Value: strs[value]}, c
}

func (c Coded) number() (n uint32, rest Coded) {
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		n |= uint32(c[i]&0x7f) << shift
		if c[i] < 0x80 {
			return n, c[i+1:]
		}
	}
}

func (c Coded) labels(strs []string, b *labels.ScratchBuilder) labels.Labels {
	for l := (labels.Label{}); len(c) > 0; {
		l, c = c.next(strs)
		b.Add(l.Name, l.Value)
	}
	return b.Labels() // sorted, since it was when it was encoded
}

func (c Coded) name(strs []string) string {
	for len(c) > 0 {
		name, rest := c.number()
		value, rest := rest.number()
		if name == 0 {
			return strs[value]
		}
		c = rest
	}
	return ""
}
