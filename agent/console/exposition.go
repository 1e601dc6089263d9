package console

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"outrider/telemetry"
)

// Why samples are left out of the text format.
const (
	omittedHistogram = iota // it has no native histograms
	omittedStale            // it has one NaN only
	omittedUnfit            // names, values or times that no parser of it takes
)

var omissions = [...]string{"native_histogram", "staleness_marker", "not_representable"}

// exposition is what is rendered of one target.
type exposition struct {
	series       *telemetry.SeriesSet
	timeMs       int64
	values       []float64
	rest         []telemetry.Sample
	omitted      [len(omissions)]int
	families     []family // of series
	restFamilies []family // of rest
}

// flushAt is how much text is collected before it is written.
const flushAt = 32 << 10

// textWriter renders expositions as Prometheus text, each family once.
type textWriter struct {
	w       io.Writer
	buf     []byte
	scheme  model.EscapingScheme
	omitted [len(omissions)]int
	lset    []labels.Label // of the series at hand
}

// writeTargets renders what the targets said. It returns how many samples had to be left out.
func writeTargets(w io.Writer, exps []*exposition, scheme model.EscapingScheme) ([len(omissions)]int, error) {
	t := &textWriter{w: w, scheme: scheme, buf: make([]byte, 0, flushAt+4<<10)}

	// Targets share family names: bring together what belongs under one TYPE line. Names
	// are compared as they are printed, as two may become one when they are escaped.
	type part struct {
		name   string
		family *family
		of     *exposition
		rest   bool
	}
	var parts []part
	for _, e := range exps {
		for i, n := range e.omitted {
			t.omitted[i] += n
		}
		for i := range e.families {
			f := &e.families[i]
			parts = append(parts, part{model.EscapeName(f.name, scheme), f, e, false})
		}
		for i := range e.restFamilies {
			f := &e.restFamilies[i]
			parts = append(parts, part{model.EscapeName(f.name, scheme), f, e, true})
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return strings.Compare(a.name, b.name) })

	headed := false
	for i, p := range parts {
		if i > 0 && parts[i-1].name != p.name {
			headed = false
		}
		for _, m := range p.family.members {
			var lset labels.Labels
			var v float64
			var ts int64
			if p.rest {
				s := &p.of.rest[m]
				lset, v, ts = s.Labels, s.Value, s.TimeMs
			} else {
				lset, v, ts = p.of.series.At(int(m)), p.of.values[m], p.of.timeMs
			}
			if reason, ok := t.fits(lset, v, ts); !ok {
				t.omitted[reason]++
				continue
			}
			if !headed {
				t.header(p.name, p.family)
				headed = true
			}
			t.sample(v, ts)
			if err := t.flush(flushAt); err != nil {
				return t.omitted, err
			}
		}
	}
	return t.omitted, t.flush(1)
}

// flush writes what was collected once it is at least so many bytes.
func (t *textWriter) flush(atLeast int) error {
	if len(t.buf) < atLeast {
		return nil
	}
	_, err := t.w.Write(t.buf)
	t.buf = t.buf[:0]
	return err
}

// fits escapes the names of a series into t.lset and says whether the format can hold it.
// One line that cannot be parsed would cost the reader the whole exposition.
func (t *textWriter) fits(lset labels.Labels, v float64, ts int64) (reason int, ok bool) {
	if value.IsStaleNaN(v) {
		return omittedStale, false
	}
	if ts < 0 {
		return omittedUnfit, false
	}
	t.lset = t.lset[:0]
	ok, escaped, named := true, false, false
	lset.Range(func(l labels.Label) {
		name := l.Name
		if name == model.MetricNameLabel {
			named = l.Value != ""
			l.Value = model.EscapeName(l.Value, t.scheme)
		} else {
			l.Name = t.escapeLabelName(name)
		}
		escaped = escaped || l.Name != name
		ok = ok && l.Name != "" && utf8.ValidString(l.Name) && utf8.ValidString(l.Value) &&
			strings.IndexByte(l.Name, 0) < 0 &&
			(l.Name != model.MetricNameLabel || strings.IndexByte(l.Value, 0) < 0)
		t.lset = append(t.lset, l)
	})
	if ok && escaped {
		// Two names may have become one.
		slices.SortFunc(t.lset, func(a, b labels.Label) int { return strings.Compare(a.Name, b.Name) })
		for i := 1; i < len(t.lset); i++ {
			ok = ok && t.lset[i-1].Name != t.lset[i].Name
		}
	}
	return omittedUnfit, ok && named
}

// escapeLabelName also escapes the colon, which metric names may have and labels may not.
func (t *textWriter) escapeLabelName(name string) string {
	if t.scheme == model.NoEscaping {
		return name
	}
	return strings.ReplaceAll(model.EscapeName(name, t.scheme), ":", "_")
}

func (t *textWriter) header(name string, f *family) {
	if f.help != "" {
		t.buf = append(t.buf, "# HELP "...)
		t.metricName(name)
		t.buf = append(t.buf, ' ')
		t.escape(strings.ToValidUTF8(f.help, "\uFFFD"), false)
		t.buf = append(t.buf, '\n')
	}
	// Also for untyped ones: Prometheus takes the type of the line before for what has none.
	t.buf = append(t.buf, "# TYPE "...)
	t.metricName(name)
	t.buf = append(t.buf, ' ')
	t.buf = append(t.buf, f.typ...)
	t.buf = append(t.buf, '\n')
}

// sample writes one line for the series in t.lset.
func (t *textWriter) sample(v float64, ts int64) {
	i := slices.IndexFunc(t.lset, func(l labels.Label) bool { return l.Name == model.MetricNameLabel })
	name := t.lset[i].Value
	open := false
	next := func() {
		if open {
			t.buf = append(t.buf, ',')
			return
		}
		t.buf = append(t.buf, '{')
		open = true
	}
	if model.LegacyValidation.IsValidMetricName(name) {
		t.buf = append(t.buf, name...)
	} else {
		next() // a quoted name goes inside the braces
		t.quote(name)
	}
	for j, l := range t.lset {
		if j == i {
			continue
		}
		next()
		if model.LegacyValidation.IsValidLabelName(l.Name) {
			t.buf = append(t.buf, l.Name...)
		} else {
			t.quote(l.Name)
		}
		t.buf = append(t.buf, '=')
		t.quote(l.Value)
	}
	if open {
		t.buf = append(t.buf, '}')
	}
	t.buf = append(t.buf, ' ')
	t.buf = strconv.AppendFloat(t.buf, v, 'g', -1, 64) // NaN, +Inf and -Inf too
	t.buf = append(t.buf, ' ')
	t.buf = strconv.AppendInt(t.buf, ts, 10)
	t.buf = append(t.buf, '\n')
}

func (t *textWriter) metricName(name string) {
	if model.LegacyValidation.IsValidMetricName(name) {
		t.buf = append(t.buf, name...)
		return
	}
	t.quote(name)
}

func (t *textWriter) quote(s string) {
	t.buf = append(t.buf, '"')
	t.escape(s, true)
	t.buf = append(t.buf, '"')
}

// escape appends s with the three escapes of the format, or two outside of quotes.
func (t *textWriter) escape(s string, quoted bool) {
	start := 0
	for i := range len(s) {
		var with string
		switch c := s[i]; {
		case c == '\\':
			with = `\\`
		case c == '\n':
			with = `\n`
		case c == '"' && quoted:
			with = `\"`
		default:
			continue
		}
		t.buf = append(t.buf, s[start:i]...)
		t.buf = append(t.buf, with...)
		start = i + 1
	}
	t.buf = append(t.buf, s[start:]...)
}
