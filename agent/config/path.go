package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// path leads to a value of the document: keys, and positions in lists as "[3]".
type path []string

// at makes a path of keys and positions: at("scrape_configs", 0, "job_name").
func at(elems ...any) path {
	return path(nil).at(elems...)
}

func (p path) at(elems ...any) path {
	p = slices.Clone(p)
	for _, e := range elems {
		switch e := e.(type) {
		case string:
			p = append(p, e)
		case int:
			p = append(p, "["+strconv.Itoa(e)+"]")
		default:
			panic(fmt.Sprintf("BUG: %T in a path", e))
		}
	}
	return p
}

// String joins the path as users write it. An element that could be misread is quoted.
func (p path) String() string {
	var b strings.Builder
	for i, e := range p {
		position := strings.HasPrefix(e, "[")
		if i > 0 && !position {
			b.WriteByte('.')
		}
		if !position && (e == "" || strings.ContainsFunc(e, unprintable)) {
			e = strconv.Quote(e)
		}
		b.WriteString(e)
	}
	return b.String()
}

func unprintable(r rune) bool {
	return r <= ' ' || r == ':' || r == '"' || !strconv.IsPrint(r)
}

// matches says whether the path ends as pattern does, in which "*" stands for any one
// element, "[]" for any position, and "*_x" for any key that ends so.
func (p path) matches(pattern []string) bool {
	if len(p) < len(pattern) {
		return false
	}
	p = p[len(p)-len(pattern):]
	for i, want := range pattern {
		switch suffix, wild := strings.CutPrefix(want, "*"); {
		case wild && strings.HasSuffix(p[i], suffix):
		case want == "[]" && strings.HasPrefix(p[i], "["):
		case want == p[i]:
		default:
			return false
		}
	}
	return true
}
