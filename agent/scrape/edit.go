package scrape

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/textparse"
)

// checkEdits finds out, without consequences, whether the parser can read the edits. It is
// false if that fails, or leads to something that lines beside it depend on: then the parser
// has to read the whole body, and say what is wrong if anything is.
func (st *state) checkEdits() bool {
	sc, l := &st.scanner, st.layout
	if len(sc.edits) == 0 {
		return true
	}
	if l.duplicates > 0 {
		return false // which of them is the first may be another
	}
	if st.rules.sampleLimit > 0 {
		lines := 0
		for _, e := range sc.edits {
			lines += bytes.Count(sc.body[e.from:e.to], []byte("\n"))
		}
		if len(l.units)+lines > st.rules.sampleLimit {
			return false
		}
	}
	for i := range sc.edits {
		e := &sc.edits[i]
		first, _ := l.markAt(e.unit)
		e.before = l.leftBy(first)
		part, after, until := sc.body[e.from:e.to], e.before, e.unit+e.skip
		if e.lines = plainLines(part); e.lines < 0 {
			var ok bool
			if after, ok = st.checkPart(part, after); !ok {
				return false
			}
		} else if until < len(l.units) && (first == len(l.marks) || int(l.marks[first].unit) >= until) {
			continue // nothing that speaks of families comes or goes
		}
		if l.speaksOfSeveral(*e) {
			return false // which of them a statement is about depends on those before it
		}
		if !l.follows(until, after) {
			return false
		}
	}
	return true
}

// unknownFamily stands for any family that is not known yet.
var unknownFamily = new(family)

// checkPart reads a part of a body. Its lines must not say anything new of families that are
// known: that may concern other lines.
func (st *state) checkPart(part []byte, before spoke) (after spoke, ok bool) {
	after = before
	if bytes.IndexByte(part, 0) >= 0 {
		return after, false // the parser takes it for the end
	}
	p, skip, _ := st.layout.format.parser(part, before.typ, &st.scanner.part)
	for {
		entry, err := p.Next()
		if err != nil {
			return after, errors.Is(err, io.EOF)
		}
		if skip > 0 {
			skip--
			continue
		}
		var name []byte
		var says statement
		switch entry {
		case textparse.EntryType:
			says.what = saidType
			name, says.typ = p.Type()
			after.typ = says.typ
		case textparse.EntryHelp:
			says.what = saidHelp
			name, says.text = p.Help()
		case textparse.EntryUnit:
			says.what = saidUnit
			name, says.text = p.Unit()
		default:
			continue
		}
		after.family = st.families[string(name)]
		if f := after.family; f != nil && (f.several() || !says.heldBy(f.meta)) {
			return after, false
		}
		if after.family == nil {
			after.family = unknownFamily // to tell it from none
		}
	}
}

// plainLines counts the lines of a part of a body if all are samples in the spelling that both
// text formats share and most services use, about which no parser can be in doubt:
// name{label="value",...} value. It is -1 if any is not.
func plainLines(part []byte) int {
	n := 0
	for len(part) > 0 {
		end := bytes.IndexByte(part, '\n')
		if end < 0 || !plainLine(part[:end]) {
			return -1
		}
		part = part[end+1:]
		n++
	}
	return n
}

func plainLine(line []byte) bool {
	i := nameLen(line)
	if i == 0 {
		return false
	}
	if i < len(line) && line[i] == '{' {
		for {
			i++ // the brace, or a comma
			n := nameLen(line[i:])
			if n == 0 || bytes.IndexByte(line[i:i+n], ':') >= 0 {
				return false
			}
			i += n
			if !bytes.HasPrefix(line[i:], []byte(`="`)) {
				return false
			}
			i += 2
			n = bytes.IndexByte(line[i:], '"')
			if n < 0 || !plainText(line[i:i+n]) {
				return false
			}
			if i += n + 1; i == len(line) {
				return false
			}
			if line[i] == '}' {
				i++
				break
			}
			if line[i] != ',' {
				return false
			}
		}
	}
	if i == len(line) || line[i] != ' ' {
		return false
	}
	_, ok := parseValue(line[i+1:])
	return ok
}

// nameLen is the length of the metric name that b begins with; that of a label has no colon.
func nameLen(b []byte) int {
	for i, c := range b {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c == '_', c == ':':
		case c >= '0' && c <= '9' && i > 0:
		default:
			return i
		}
	}
	return len(b)
}

// plainText says whether a label value is valid UTF-8 without escapes and control characters.
func plainText(b []byte) bool {
	all := byte(0)
	for _, c := range b {
		if c < ' ' || c == '\\' {
			return false
		}
		all |= c
	}
	return all < utf8.RuneSelf || utf8.Valid(b)
}

// joint is one parser for all edits that are of plain lines, since one for each would cost more
// than to read it.
type joint struct {
	text   []byte
	parser textparse.Parser
}

// begin has the parser read the plain lines of all edits, in their order. Where an edit stands
// behind another type than the one before it, a declaration goes in between.
func (j *joint) begin(l *layout, body []byte, edits []edit) {
	*j = joint{text: j.text[:0]}
	var typ model.MetricType
	for i := range edits {
		e := &edits[i]
		if e.lines <= 0 {
			continue
		}
		if t := e.before.typ; t != typ {
			j.text, typ = l.format.appendType(j.text, t), t
		}
		e.at = len(j.text)
		j.text = append(j.text, body[e.from:e.to]...)
	}
	if len(j.text) > 0 {
		j.text, j.parser = l.format.parse(j.text)
	}
}

// readEdit has the parser read what an edit says.
func (st *state) readEdit(rec *recording, e edit, timeMs int64, t *tally) error {
	sc, l := &st.scanner, st.layout
	if e.lines == 0 {
		return nil
	}
	if e.lines > 0 {
		rec.start(sc.joint.text, e.from-e.at)
		return st.readSeries(sc.joint.parser, e.lines, e.before, rec, timeMs, t)
	}
	p, skip, base := l.format.parser(sc.body[e.from:e.to], e.before.typ, &sc.part)
	rec.start(sc.part, e.from-base)
	return st.read(p, skip, e.before, rec, timeMs, t)
}

// readSeries takes so many samples of a text format, whatever else the parser gives.
func (st *state) readSeries(p textparse.Parser, n int, sp spoke, rec *recording, timeMs int64, t *tally) error {
	st.draft.spoke = sp
	for n > 0 {
		entry, err := p.Next()
		if err != nil {
			return err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		n--
		smp := sample{spoke: sp}
		smp.raw, smp.ts, smp.value = p.Series()
		if err := st.takeLine(p, &smp, rec, timeMs, t); err != nil {
			return err
		}
	}
	return nil
}
