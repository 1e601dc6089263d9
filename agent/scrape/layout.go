package scrape

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// layout is what the last good body of a target means, byte by byte: the next one is compared
// with it, and only what differs is read. It holds text formats alone.
//
// The parser decides what is true, the layout may only repeat it. That is sound because both
// text formats are read line by line: what a line means depends on its bytes and on two
// things before it, the family spoken of last and the type declared last. So the same bytes
// at the beginning of a line mean the same again, as long as these two are the same.
type layout struct {
	contentType string
	format      format
	// body is the exposition without the mark at its end.
	body []byte

	// A unit is the line of one sample, with the comments, metadata and blank lines that
	// stand before it: it begins where the unit before it ends. units[i] is where its value is.
	units []span
	cols  []int32 // cols[i] is the column of units[i], or one of the constants below
	marks []mark  // of units with metadata in them, in order; one may be for what follows the last unit
	// families are those that the marks speak of.
	families []*family
	known    int     // how many different ones that is, once it was counted
	seen     uint32  // the last scrape that was all like this
	slow     []int32 // the units with colSlow, in order

	dropped    int // units with colDropped
	duplicates int // units with colDuplicate
	duplicate  labels.Labels
}

// span is where a value is in a body: from the first byte of it to the line feed behind it.
// Of a unit whose column is colSlow only end counts.
type span struct{ value, end uint32 }

// What a unit has in place of a column.
const (
	colSlow      = -1 // it is more than a plain sample: to be read anew each time
	colDropped   = -2 // relabelling drops it
	colDuplicate = -3 // its series has a sample already
)

// mark says what the metadata lines of a unit lead to.
type mark struct {
	unit int32
	spoke
	typed    bool  // it declares a type; else that comes from before
	from, to int32 // the families spoken of are layout.families[from:to]
}

// spoke is what a sample line depends on beside its own bytes.
type spoke struct {
	family *family          // spoken of last; nil for none
	typ    model.MetricType // declared last; empty for none
}

// format is the syntax of a body.
type format uint8

const (
	formatOther format = iota // no layout
	formatText
	formatOpenMetrics
)

// formatOf says what a parser reads.
func formatOf(p textparse.Parser) format {
	switch p.(type) {
	case *textparse.PromParser:
		return formatText
	case *textparse.OpenMetricsParser:
		return formatOpenMetrics
	}
	return formatOther
}

// maxLayout bounds the bodies that layouts are made of: positions have 32 bits.
const maxLayout = 1 << 30

const endMark = "# EOF"

// content returns a body without the mark at its end, and with a line feed at its end if it
// has anything. ok is false for a body that no layout can be made of. It may write one byte
// behind the body, as the parser itself does.
func (f format) content(body []byte) (content []byte, ok bool) {
	if len(body) > maxLayout {
		return nil, false
	}
	switch f {
	case formatText:
		if len(body) > 0 && body[len(body)-1] != '\n' {
			body = append(body, '\n')
		}
		return body, true
	case formatOpenMetrics:
		content, ok = bytes.CutSuffix(bytes.TrimSuffix(body, []byte("\n")), []byte(endMark))
		return content, ok && (len(content) == 0 || content[len(content)-1] == '\n')
	}
	return nil, false
}

// parser reads a part of a body as if typ had been declared before it. buf is used for the
// copy that this needs; skip is how many entries come before those of the part, and base
// where the part begins in what is returned.
func (f format) parser(part []byte, typ model.MetricType, buf *[]byte) (p textparse.Parser, skip, base int) {
	b := (*buf)[:0]
	if typ != "" {
		b = f.appendType(b, typ)
		skip = 1
	}
	base = len(b)
	*buf, p = f.parse(append(b, part...))
	return p, skip, base
}

// appendType appends a line that declares a type.
func (f format) appendType(b []byte, typ model.MetricType) []byte {
	if typ == model.MetricTypeUnknown && f == formatText {
		typ = "untyped"
	}
	b = append(b, "# TYPE x "...)
	b = append(b, typ...)
	return append(b, '\n')
}

// parse has a parser read text, which it may extend, to its end.
func (f format) parse(text []byte) ([]byte, textparse.Parser) {
	if f == formatOpenMetrics {
		text = append(text, endMark+"\n"...)
		return text, textparse.NewOpenMetricsParser(text, nil)
	}
	return text, textparse.NewPromParser(text, nil, false)
}

// start is where unit u begins; for u = len(units), where what follows the last one does.
func (l *layout) start(u int) int {
	if u == 0 {
		return 0
	}
	return int(l.units[u-1].end) + 1
}

// markAt returns the index in marks of the mark of unit u or, if it has none, of the first
// one behind it.
func (l *layout) markAt(u int) (i int, has bool) {
	return slices.BinarySearchFunc(l.marks, int32(u), func(m mark, u int32) int { return cmp.Compare(m.unit, u) })
}

// before returns what the lines of unit u depend on, as the units before it leave it.
func (l *layout) before(u int) spoke {
	i, _ := l.markAt(u)
	return l.leftBy(i)
}

// leftBy returns what the marks before the i-th leave.
func (l *layout) leftBy(i int) spoke {
	if i == 0 {
		return spoke{}
	}
	return l.marks[i-1].spoke
}

// follows says whether unit u means the same behind lines that lead to sp.
func (l *layout) follows(u int, sp spoke) bool {
	if u == len(l.units) {
		return true
	}
	before := l.before(u)
	if i, has := l.markAt(u); has { // it speaks of a family of its own
		return l.marks[i].typed || sp.typ == before.typ
	}
	return sp == before
}

// speaksOfSeveral says whether the units that an edit replaces speak of families of which there
// are several of one name.
func (l *layout) speaksOfSeveral(e edit) bool {
	until := e.unit + e.skip
	return slices.ContainsFunc(l.spokenOf(e.unit, until, until == len(l.units)), (*family).several)
}

// spokenOf returns the families that the units [from, to) speak of, and with tail what follows
// the last one.
func (l *layout) spokenOf(from, to int, tail bool) []*family {
	first, _ := l.markAt(from)
	until, _ := l.markAt(to)
	if tail {
		until = len(l.marks)
	}
	if first == until {
		return nil
	}
	return l.families[l.marks[first].from:l.marks[until-1].to]
}

// matches says whether body has at pos what unit u has before its value; for
// u = len(units), whether it ends there as the layout does.
func (l *layout) matches(u int, body []byte, pos int) bool {
	if u == len(l.units) {
		return bytes.Equal(l.body[l.start(u):], body[pos:])
	}
	if l.cols[u] == colSlow {
		return false
	}
	part := l.body[l.start(u):l.units[u].value]
	return len(part) <= len(body)-pos && string(part) == string(body[pos:pos+len(part)])
}

// reload reads the plain values of the body again, after some of them were replaced by those
// of a body that was not accepted.
func (l *layout) reload(values []float64) {
	for u, col := range l.cols {
		if col >= 0 {
			values[col], _ = parseValue(l.body[l.units[u].value:l.units[u].end])
		}
	}
}

// mention notes on the families when they were spoken of last, which is not done as long as all
// is repeated.
func (l *layout) mention() {
	for _, f := range l.families {
		f.iter = max(f.iter, l.seen)
	}
}

// reset empties a layout to be made anew; its memory is used again.
func (l *layout) reset(contentType string, f format) {
	*l = layout{
		contentType: contentType,
		format:      f,
		units:       l.units[:0],
		cols:        l.cols[:0],
		marks:       l.marks[:0],
		families:    l.families[:0],
		slow:        l.slow[:0],
	}
}

// add appends a unit.
func (l *layout) add(sp span, col int32) {
	switch col {
	case colSlow:
		l.slow = append(l.slow, int32(len(l.units)))
	case colDropped:
		l.dropped++
	case colDuplicate:
		l.duplicates++
	}
	l.units = append(l.units, sp)
	l.cols = append(l.cols, col)
}

// worthwhile says whether enough of the layout can be repeated for it to be of use.
func (l *layout) worthwhile() bool { return len(l.slow) <= len(l.units)/2 }
