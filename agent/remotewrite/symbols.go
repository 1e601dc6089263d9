package remotewrite

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// symbols is the table of strings of a 2.0 request, each held once. A table may extend
// another, which it does not change: so the strings of one scrape's own samples go behind
// those of an encoded shape.
type symbols struct {
	base   *symbols
	refs   map[string]uint32
	next   uint32
	wire   []byte // as fields of a request, those that nobody has taken yet, without base's
	borrow bool   // the strings are held by others anyway
}

// newSymbols returns a table that extends base. With no base it holds the empty string
// under zero, as the specification wants.
func newSymbols(base *symbols) *symbols {
	s := &symbols{base: base}
	if base != nil {
		s.next = base.next
		return s
	}
	s.ref("")
	return s
}

// ref returns the number of v, which it adds if it is new.
func (s *symbols) ref(v string) uint32 {
	if s.base != nil {
		if n, ok := s.base.refs[v]; ok {
			return n
		}
	}
	if n, ok := s.refs[v]; ok {
		return n
	}
	if s.refs == nil {
		s.refs = make(map[string]uint32)
	}
	n := s.next
	s.next++
	if !s.borrow {
		v = strings.Clone(v) // it may be a small part of a large string
	}
	s.refs[v] = n
	s.wire = protowire.AppendTag(s.wire, fieldV2Symbols, protowire.BytesType)
	s.wire = protowire.AppendString(s.wire, v)
	return n
}
