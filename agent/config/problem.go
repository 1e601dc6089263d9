package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is one mistake in the configuration.
type Error struct {
	// File is empty for mistakes in the environment, whose Key is the variable.
	File string
	// Line is 0 where no line can be named.
	Line int
	// Key leads to the value, such as scrape_configs[0].job_name. It is empty when the
	// file as a whole is at fault.
	Key string
	Msg string
}

// Error returns "file:line: key: what is wrong", without the parts that are not known.
func (e Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			b.WriteString(":" + strconv.Itoa(e.Line))
		}
		b.WriteString(": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// Errors are all mistakes found, by line. It is never empty.
type Errors []Error

// Error returns one line for each mistake.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Warning is something that is accepted but does not do what it says.
type Warning Error

// String returns "file:line: key: why", without the parts that are not known.
func (w Warning) String() string { return Error(w).Error() }

// report collects what is wrong and knows on which line each key stands.
type report struct {
	file     string
	lines    map[string]int
	errs     Errors
	warnings []Warning
	// decoded counts the errors of decoding: what they say something about is not
	// checked further.
	decoded int
	// suspects are keys that are missing because they are misspelt, which was said; broken
	// are values of the wrong kind.
	suspects, broken map[string]bool
	files            []fileRef // that values name
}

func newReport(file string) *report {
	return &report{file: file, lines: map[string]int{}, suspects: map[string]bool{}, broken: map[string]bool{}}
}

// line is where p stands, or what is nearest above it.
func (r *report) line(p path) int {
	for ; len(p) > 0; p = p[:len(p)-1] {
		if n, ok := r.lines[p.String()]; ok {
			return n
		}
	}
	return 0
}

func (r *report) errorf(p path, format string, args ...any) {
	r.errorAt(r.line(p), p, format, args...)
}

func (r *report) errorAt(line int, p path, format string, args ...any) {
	r.errs = append(r.errs, Error{File: r.file, Line: line, Key: p.String(), Msg: fmt.Sprintf(format, args...)})
}

func (r *report) warnf(p path, format string, args ...any) {
	r.warnings = append(r.warnings, Warning{File: r.file, Line: r.line(p), Key: p.String(), Msg: fmt.Sprintf(format, args...)})
}

// bad says whether decoding has already found fault with p, with something in it, or with
// what it should be in.
func (r *report) bad(p path) bool { return r.faulty(p, r.errs[:r.decoded]) }

// found says the same of decoding and of all checks so far.
func (r *report) found(p path) bool { return r.faulty(p, r.errs) }

func (r *report) faulty(p path, errs Errors) bool {
	key := p.String()
	if r.suspects[key] {
		return true
	}
	for up := p; len(up) > 0; up = up[:len(up)-1] {
		if r.broken[up.String()] {
			return true
		}
	}
	for _, e := range errs {
		rest, ok := strings.CutPrefix(e.Key, key)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// result returns what was found, sorted by line; the error is an Errors or nil.
func (r *report) result() ([]Warning, error) {
	slices.SortStableFunc(r.warnings, func(a, b Warning) int { return cmp.Compare(a.Line, b.Line) })
	if len(r.errs) == 0 {
		return r.warnings, nil
	}
	slices.SortStableFunc(r.errs, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
	return r.warnings, r.errs
}
