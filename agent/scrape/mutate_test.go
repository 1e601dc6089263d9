package scrape

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// exposed is a body that is about to change, and what it is served with.
type exposed struct {
	rng         *rand.Rand
	lines       []string // each with its line feed, but for the last one if it has none
	former      []string // those that it began with
	contentType string
	nowMs       int64
	fresh       int // numbers what is new
}

func newExposed(body, contentType string) *exposed {
	lines := strings.SplitAfter(body, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return &exposed{lines: append([]string(nil), lines...), former: lines, contentType: contentType}
}

func (e *exposed) body() string { return strings.Join(e.lines, "") }

func (e *exposed) size() (n int) {
	for _, line := range e.lines {
		n += len(line)
	}
	return n
}

func (e *exposed) setBody(body string) {
	e.lines = newExposed(body, "").lines
}

func (e *exposed) one(of ...string) string { return of[e.rng.IntN(len(of))] }

func (e *exposed) open() bool { return strings.HasPrefix(e.contentType, openMediaType) }

func isSample(line string) bool { return line != "" && line[0] != '#' && line[0] != '\n' }

// line picks a line that is as wanted; -1 if there is none nearby.
func (e *exposed) line(wanted func(string) bool) int {
	for range 20 {
		if len(e.lines) == 0 {
			return -1
		}
		if i := e.rng.IntN(len(e.lines)); wanted(e.lines[i]) {
			return i
		}
	}
	return -1
}

func anyLine(string) bool { return true }

// spread calls fn for about one in so many sample lines.
func (e *exposed) spread(oneIn int, fn func(i int)) {
	for i, line := range e.lines {
		if isSample(line) && e.rng.IntN(oneIn) == 0 {
			fn(i)
		}
	}
}

// run picks a short run of lines.
func (e *exposed) run() (from, to int) {
	from = e.rng.IntN(len(e.lines) + 1)
	return from, min(len(e.lines), from+1+e.rng.IntN(8))
}

func (e *exposed) insert(i int, lines ...string) {
	e.lines = append(e.lines[:i:i], append(lines, e.lines[i:]...)...)
}

// within picks a place for a line that belongs inside of the body.
func (e *exposed) within() int {
	n := len(e.lines)
	if e.open() && n > 0 {
		n-- // before the mark at its end
	}
	return e.rng.IntN(n + 1)
}

// split takes a sample line apart: what stands before the value, the value, and the rest.
func split(line string) (series, value, rest string) {
	end := strings.LastIndexByte(line, '}') + 1
	if i := strings.Index(line, " # "); i >= 0 && end > i {
		end = strings.LastIndexByte(line[:i], '}') + 1
	}
	n := strings.IndexByte(line[end:], ' ')
	if n < 0 {
		return line, "", ""
	}
	end += n + 1
	n = strings.IndexAny(line[end:], " \n")
	if n < 0 {
		return line[:end], line[end:], ""
	}
	return line[:end], line[end : end+n], line[end+n:]
}

func (e *exposed) setValue(i int, value string) {
	series, _, rest := split(e.lines[i])
	e.lines[i] = series + value + rest
}

// setRest replaces what stands behind the value, up to the line feed.
func (e *exposed) setRest(i int, rest string) {
	series, value, _ := split(e.lines[i])
	e.lines[i] = series + value + rest + "\n"
}

func (e *exposed) digits() string { return strconv.Itoa(e.rng.IntN(1e6)) }

// newLabel gives a sample line a label value that no other has.
func (e *exposed) newLabel(i int) {
	e.fresh++
	v := fmt.Sprintf("fresh-%d", e.fresh)
	line := e.lines[i]
	if a := strings.Index(line, `="`); a >= 0 {
		if b := strings.IndexByte(line[a+2:], '"'); b >= 0 {
			e.lines[i] = line[:a+2] + v + line[a+2+b:]
			return
		}
	}
	series, value, rest := split(line)
	e.lines[i] = strings.TrimRight(series, " ") + `{n="` + v + `"} ` + value + rest
}

// mutation is one way in which a body may differ from the one before.
type mutation struct {
	name string
	do   func(e *exposed)
}

// mutations are all of them. The fuzz corpus names them by their place: append only.
func mutations() []mutation {
	return []mutation{
		{"nothing", func(*exposed) {}},
		{"former", func(e *exposed) { e.lines = append([]string(nil), e.former...) }},
		{"values", func(e *exposed) {
			e.spread(3, func(i int) {
				_, value, _ := split(e.lines[i])
				b := []byte(value)
				for k := range b {
					if b[k] >= '1' && b[k] <= '9' {
						b[k] = byte('1' + e.rng.IntN(9))
					}
				}
				e.setValue(i, string(b))
			})
		}},
		{"widths", func(e *exposed) { e.spread(2, func(i int) { e.setValue(i, e.digits()) }) }},
		{"all values", func(e *exposed) { e.spread(1, func(i int) { e.setValue(i, e.digits()) }) }},
		{"special values", func(e *exposed) {
			e.spread(4, func(i int) {
				e.setValue(i, e.one("NaN", "nan", "-NaN", "+Inf", "-Inf", "inf", "Infinity", "-0", "0", "1e300", "1E+3", "5e-324", "1.7976931348623157e308",
					"9007199254740993", "0.1", ".5", "5.", "00001", "1e23", "123456789012345678901234567890", "1.23456789E9"))
			})
		}},
		{"bad value", func(e *exposed) {
			if i := e.line(isSample); i >= 0 {
				e.setValue(i, e.one("", "x", "1_0", "0x10", "0x1p-2", "1e", "1e400", "--1", "1,5", "٣", "1e5e5", strings.Repeat("7", 80), "1\v"))
			}
		}},
		{"remove", func(e *exposed) {
			from, to := e.run()
			e.lines = append(e.lines[:from:from], e.lines[to:]...)
		}},
		{"remove many", func(e *exposed) {
			var left []string
			for _, line := range e.lines {
				if !isSample(line) || e.rng.IntN(4) > 0 {
					left = append(left, line)
				}
			}
			e.lines = left
		}},
		{"churn", func(e *exposed) { e.spread(3, e.newLabel) }},
		{"new series", func(e *exposed) {
			if i := e.line(isSample); i >= 0 {
				e.insert(i, e.lines[i])
				e.newLabel(i)
			}
		}},
		{"new series everywhere", func(e *exposed) {
			var out []string
			for _, line := range e.lines {
				out = append(out, line)
				if isSample(line) && e.rng.IntN(10) == 0 {
					other := newExposed(line, e.contentType)
					other.fresh = e.fresh
					other.newLabel(0)
					e.fresh = other.fresh
					out = append(out, other.lines...)
				}
			}
			e.lines = out
		}},
		{"new family", func(e *exposed) {
			e.fresh++
			name := fmt.Sprintf("fresh_%d", e.fresh)
			e.insert(e.within(), "# HELP "+name+" New.\n", "# TYPE "+name+" gauge\n", name+" 1\n", name+`{x="y"} 2`+"\n")
		}},
		{"swap", func(e *exposed) {
			if i, j := e.line(anyLine), e.line(anyLine); i >= 0 && j >= 0 {
				e.lines[i], e.lines[j] = e.lines[j], e.lines[i]
			}
		}},
		{"move", func(e *exposed) {
			from, to := e.run()
			part := append([]string(nil), e.lines[from:to]...)
			e.lines = append(e.lines[:from:from], e.lines[to:]...)
			e.insert(e.within(), part...)
		}},
		{"turn", func(e *exposed) {
			if i := e.within(); i < len(e.lines) {
				n := len(e.lines)
				if e.open() {
					n--
				}
				e.lines = append(append(append([]string(nil), e.lines[i:n]...), e.lines[:i]...), e.lines[n:]...)
			}
		}},
		{"duplicate", func(e *exposed) {
			if i := e.line(anyLine); i >= 0 {
				e.insert(i, e.lines[i])
				if isSample(e.lines[i]) && e.rng.IntN(2) == 0 {
					e.setValue(i, e.digits())
				}
			}
		}},
		{"duplicate far away", func(e *exposed) {
			from, to := e.run()
			e.insert(e.within(), append([]string(nil), e.lines[from:to]...)...)
		}},
		{"type", func(e *exposed) {
			e.setMeta("# TYPE ", e.one("counter", "gauge", "histogram", "summary", "untyped", "unknown", "info", "stateset"))
		}},
		{"help", func(e *exposed) { e.setMeta("# HELP ", e.one("Other.", `Two\nlines.`, `\\`, "", "é", "x\ty")) }},
		{"unit", func(e *exposed) { e.setMeta("# UNIT ", e.one("seconds", "bytes", "")) }},
		{"new meta", func(e *exposed) {
			name := "other"
			if i := e.line(isSample); i >= 0 {
				name = e.lines[i][:strings.IndexAny(e.lines[i]+" ", "{ ")]
			}
			e.insert(e.within(), e.one("# HELP "+name+" Said again.\n", "# TYPE "+name+" gauge\n", "# TYPE "+name+" histogram\n", "# UNIT "+name+" seconds\n", "# TYPE "+name+"\n"))
		}},
		{"remove meta", func(e *exposed) {
			if i := e.line(func(s string) bool { return strings.HasPrefix(s, "# ") && s != "# EOF\n" }); i >= 0 {
				e.lines = append(e.lines[:i:i], e.lines[i+1:]...)
			}
		}},
		{"truncate", func(e *exposed) {
			b := e.body()
			e.setBody(b[:e.rng.IntN(len(b)+1)])
		}},
		{"truncate at a line", func(e *exposed) { e.lines = e.lines[:e.rng.IntN(len(e.lines)+1)] }},
		{"no last line feed", func(e *exposed) { e.setBody(strings.TrimSuffix(e.body(), "\n")) }},
		{"carriage returns", func(e *exposed) { e.setBody(strings.ReplaceAll(e.body(), "\n", "\r\n")) }},
		{"carriage return", func(e *exposed) {
			if i := e.line(anyLine); i >= 0 {
				e.lines[i] = strings.TrimSuffix(e.lines[i], "\n") + "\r\n"
			}
		}},
		{"blank lines", func(e *exposed) { e.insert(e.within(), e.one("\n", "\n\n\n", " \n", "\t\n")) }},
		{"comment", func(e *exposed) {
			e.insert(e.within(), e.one("# a comment\n", "#\n", "#comment\n", "# HELP\n", "## x\n", "# EOF\n"))
		}},
		{"garbage", func(e *exposed) {
			e.insert(e.within(), e.one("<html>\n", "}\n", "a{\n", "a b c\n", "\xff\xfe 1\n", "a\n", "{} 1\n", `{x="y"} 1`+"\n"))
		}},
		{"garbage at the end", func(e *exposed) {
			e.lines = append(e.lines, e.one("x", "# EOF\n", "# EOF", "\n", "# EOF\nx 1\n", "x 1", "x 1 ", "}"))
		}},
		{"end mark", func(e *exposed) {
			for i, line := range e.lines {
				if strings.HasPrefix(line, "# EOF") {
					e.lines[i] = e.one("", "# EOF", "# EOF\n\n", "#EOF\n", "# EOF \n")
				}
			}
		}},
		{"timestamps", func(e *exposed) { e.spread(5, func(i int) { e.setRest(i, " "+e.timestamp()) }) }},
		{"timestamps everywhere", func(e *exposed) { e.spread(1, func(i int) { e.setRest(i, " "+e.timestamp()) }) }},
		{"no timestamps", func(e *exposed) { e.spread(1, func(i int) { e.setRest(i, "") }) }},
		{"bad timestamp", func(e *exposed) {
			if i := e.line(isSample); i >= 0 {
				e.setRest(i, e.one(" ", " x", " 1 2", " 99999999999999999999", " -5", " 1e3", "  7", "\t7"))
			}
		}},
		{"exemplars", func(e *exposed) {
			e.spread(3, func(i int) {
				e.setRest(i, fmt.Sprintf(` # {trace_id="%d"} %d%s`, e.rng.IntN(5), e.rng.IntN(3), e.one("", fmt.Sprintf(" %d.5", e.nowMs/1000-int64(e.rng.IntN(3))))))
			})
		}},
		{"bad exemplar", func(e *exposed) {
			if i := e.line(isSample); i >= 0 {
				e.setRest(i, e.one(" # {} 1", " # {x=\"y\"}", ` # {x="`+strings.Repeat("y", 200)+`"} 1`, " #", ` # {x="y"} NaN`, ` # {x="y"} 1 99999999999`))
			}
		}},
		{"escapes", func(e *exposed) {
			if i := e.line(isSample); i >= 0 {
				e.lines[i] = strings.Replace(e.lines[i], `="`, `="`+e.one(`\\`, `\"`, `\n`, `\t`, `é`, "\xff", `\`, `} 1`, ` # `), 1)
			}
		}},
		{"spaces", func(e *exposed) {
			if i := e.line(isSample); i >= 0 {
				series, value, rest := split(e.lines[i])
				e.lines[i] = e.one("", " ", "\t") + series + e.one("", " ", "\t", "  ") + value + e.one("", " ", "\t") + rest
			}
		}},
		{"commas", func(e *exposed) {
			if i := e.line(isSample); i >= 0 {
				e.lines[i] = strings.Replace(e.lines[i], "}", e.one(",}", " }", ",,}", `,z="1"}`, `,__name__="q"}`, `,instance="me"}`, `,x="1",x="2"}`), 1)
			}
		}},
		{"rename", func(e *exposed) {
			if i := e.line(isSample); i >= 0 {
				e.lines[i] = e.one("x", "_", ":", "up{} 1\n", "up", "1", "up 0\n") + e.lines[i]
			}
		}},
		{"quoted names", func(e *exposed) {
			if i := e.line(isSample); i >= 0 {
				series, value, rest := split(e.lines[i])
				name, labels, _ := strings.Cut(strings.TrimRight(series, " }"), "{")
				e.lines[i] = `{"` + e.one("", "dotted.") + name + `"` + e.one("", ",", ","+labels) + "} " + value + rest
			}
		}},
		{"long line", func(e *exposed) {
			e.insert(e.within(), `long{x="`+strings.Repeat("0123456789", 100+e.rng.IntN(300))+`"} 1`+"\n")
		}},
		{"nul", func(e *exposed) { e.poke("\x00") }},
		{"byte", func(e *exposed) {
			e.poke(e.one("\n", " ", "\"", "\\", "{", "}", "#", ",", "=", "0", "a", "\r", "\t", "\x80", "_", "-"))
		}},
		{"no byte", func(e *exposed) {
			b := e.body()
			if len(b) > 0 {
				i := e.rng.IntN(len(b))
				e.setBody(b[:i] + b[i+1:])
			}
		}},
		{"content type", func(e *exposed) {
			e.contentType = e.one(text004, text100, openText, "text/plain", "", "text/html", openMediaType)
		}},
		{"empty", func(e *exposed) { e.lines = nil }},
		{"bucket order", func(e *exposed) {
			for i := 1; i < len(e.lines); i++ {
				if strings.Contains(e.lines[i], `le="`) && e.rng.IntN(4) == 0 {
					e.lines[i], e.lines[i-1] = e.lines[i-1], e.lines[i]
				}
			}
		}},
		{"twice", func(e *exposed) {
			if len(e.lines) < 1000 {
				e.insert(0, append([]string(nil), e.lines...)...)
			}
		}},
		{"only comments", func(e *exposed) {
			var left []string
			for _, line := range e.lines {
				if !isSample(line) {
					left = append(left, line)
				}
			}
			e.lines = left
		}},
	}
}

// setMeta changes a line of metadata that begins with prefix.
func (e *exposed) setMeta(prefix, to string) {
	if i := e.line(func(s string) bool { return strings.HasPrefix(s, prefix) }); i >= 0 {
		name, _, _ := strings.Cut(strings.TrimSuffix(e.lines[i][len(prefix):], "\n"), " ")
		e.lines[i] = prefix + name + " " + to + "\n"
	}
}

// poke puts a byte anywhere, in place of another one or before it.
func (e *exposed) poke(c string) {
	b := e.body()
	i := e.rng.IntN(len(b) + 1)
	e.setBody(b[:i] + c + b[min(len(b), i+e.rng.IntN(2)):])
}

func (e *exposed) timestamp() string {
	ms := e.nowMs + []int64{0, -1, 1, -1000, 1000, -500, -3600_000, 599_000, 601_000, -90_000_000, 100_000_000}[e.rng.IntN(11)]
	if e.open() {
		return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64)
	}
	return strconv.FormatInt(ms, 10)
}
