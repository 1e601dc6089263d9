package scrape

import (
	"bytes"

	"github.com/prometheus/prometheus/model/labels"
)

// recording writes down what the parser makes of a body, or of parts of one, as a layout.
type recording struct {
	to   *layout // nil: nothing is recorded
	body []byte  // without the mark at its end
	text []byte  // what the parser reads
	// shift is what to add to a position in text for that in body.
	shift int
	from  int  // the families of the unit to come are to.families[from:]
	said  bool // there are some
	typed bool // and a type was declared
}

// start has the recording follow a parser that reads text.
func (r *recording) start(text []byte, shift int) { r.text, r.shift = text, shift }

// off has the recording give up: no layout can be made.
func (r *recording) off() { r.to = nil }

// family notes that metadata of a family was read, and whether that was its type.
func (r *recording) family(f *family, typed bool) {
	if r.to != nil {
		r.to.families = append(r.to.families, f)
		r.said = true
		r.typed = r.typed || typed
	}
}

// locate finds where in the body the value of a sample is whose series raw stands for. plain
// says that there is nothing behind it and that parseValue reads it.
func (r *recording) locate(raw []byte) (sp span, plain bool) {
	if r.to == nil {
		return span{}, false
	}
	start := cap(r.text) - cap(raw) // raw is a part of text
	if len(raw) == 0 || start < 0 || start+len(raw) > len(r.text) || &r.text[start] != &raw[0] {
		r.off() // the parser has made a copy
		return span{}, false
	}
	pos := start + r.shift + len(raw)
	n := bytes.IndexByte(r.body[pos:], '\n')
	if n < 0 {
		r.off()
		return span{}, false
	}
	end := pos + n
	for pos < end && (r.body[pos] == ' ' || r.body[pos] == '\t') {
		pos++
	}
	_, plain = parseValue(r.body[pos:end])
	return span{value: uint32(pos), end: uint32(end)}, plain
}

// unit adds the unit of the sample that was located, with what it depends on.
func (r *recording) unit(sp span, col int32, depends spoke) {
	if r.to == nil {
		return
	}
	r.mark(depends)
	r.to.add(sp, col)
}

// mark ends the metadata before a unit, or at the end of the body.
func (r *recording) mark(leadsTo spoke) {
	if r.to == nil || !r.said {
		return
	}
	n := len(r.to.families)
	r.to.marks = append(r.to.marks, mark{unit: int32(len(r.to.units)), spoke: leadsTo, typed: r.typed, from: int32(r.from), to: int32(n)})
	r.from, r.said, r.typed = n, false, false
}

// repeat adds the units [from, to) of another layout, which now are at the given places, and
// if tail is set what follows the last one as well.
func (r *recording) repeat(l *layout, places []span, from, to int, tail bool) {
	if r.to == nil {
		return
	}
	first, has := l.markAt(from)
	until := first
	for until < len(l.marks) && (tail || int(l.marks[until].unit) < to) {
		until++
	}
	if !has && from < to {
		r.mark(l.before(from)) // metadata that was put in before the run
	}
	shift := len(r.to.units) - from
	for _, m := range l.marks[first:until] {
		r.to.families = append(r.to.families, l.families[m.from:m.to]...)
		m.unit += int32(shift)
		m.typed = m.typed || r.typed
		m.from, m.to = int32(r.from), int32(len(r.to.families))
		r.to.marks = append(r.to.marks, m)
		r.from, r.said, r.typed = len(r.to.families), false, false
	}
	if from == to {
		r.mark(l.before(from))
	}
	r.to.units = append(r.to.units, places[from:to]...)
}

// duplicate notes the first series of which there is more than one sample.
func (r *recording) duplicate(lset labels.Labels) {
	if r.to != nil && r.to.duplicates == 0 {
		r.to.duplicate = lset
	}
}
