package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// lineWidth is what tables and notes keep to.
	lineWidth = 100
	// maxName is how wide the first column of a table gets. Longer names stay whole, as
	// they are there to be copied, and push the rest to the next line.
	maxName   = 46
	noteLines = 4
)

// table writes columns that start at the same place in each row.
type table struct {
	w      io.Writer
	widths []int
}

// newTable makes the first column as wide as names need and the next ones as given. The last
// column needs no width.
func newTable(w io.Writer, names []string, widths ...int) *table {
	first := 0
	for _, n := range names {
		if l := utf8.RuneCountInString(n); l <= maxName {
			first = max(first, l)
		}
	}
	return &table{w: w, widths: append([]int{first}, widths...)}
}

func (t *table) row(cells ...string) {
	var b strings.Builder
	for i, c := range cells {
		c = printable(c)
		if i == len(cells)-1 {
			b.WriteString(c)
			break
		}
		pad := t.widths[i] - utf8.RuneCountInString(c)
		b.WriteString(c)
		if pad < 0 && i == 0 {
			b.WriteByte('\n')
			pad = t.widths[i]
		}
		b.WriteString(strings.Repeat(" ", max(pad, 0)+2))
	}
	fmt.Fprintln(t.w, strings.TrimRight(b.String(), " "))
}

// note writes text below a row, indented and wrapped, and nothing if there is none.
func note(w io.Writer, text string) {
	const indent, more = "    ", " ..."
	lines := wrap(printable(text), lineWidth-len(indent)-len(more))
	if len(lines) > noteLines {
		lines = lines[:noteLines]
		lines[noteLines-1] += more
	}
	for _, l := range lines {
		fmt.Fprintln(w, indent+l)
	}
}

// wrap breaks text at spaces into lines of at most width, and words that are longer anywhere.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		for {
			joined := word
			if line != "" {
				joined = line + " " + word
			}
			if utf8.RuneCountInString(joined) <= width {
				line = joined
				break
			}
			if line != "" {
				lines = append(lines, line)
				line = ""
				continue
			}
			cut := 0
			for range width {
				_, n := utf8.DecodeRuneInString(word[cut:])
				cut += n
			}
			lines = append(lines, word[:cut])
			word = word[cut:]
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// printable takes out what could drive a terminal: names and errors come from elsewhere. Line
// breaks stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
