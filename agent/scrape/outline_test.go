package scrape

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// wire is a session whose bodies come in pieces, through the buffer of a loop.
type wire struct {
	*session
	buf buffer
	rng *rand.Rand
}

func newWire(t testing.TB, cfg *Config) *wire {
	w := &wire{session: newSession(t, cfg), rng: rand.New(rand.NewPCG(1, 2))}
	w.buf.follow = w.st.follow
	return w
}

// pieces reads as much as it likes at a time.
type pieces struct {
	r   io.Reader
	rng *rand.Rand
}

func (p pieces) Read(b []byte) (int, error) {
	return p.r.Read(b[:min(len(b), 1+p.rng.IntN(20_000))])
}

// scrape is that of session for a body that comes in pieces. It returns a dump of the scrape.
func (w *wire) scrape(body []byte, contentType string) string {
	w.t.Helper()
	w.timeMs += 1000
	body, err := w.buf.readAll(pieces{bytes.NewReader(body), w.rng}, contentType, "", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	var t tally
	if w.buf.followed {
		t, err = w.st.parseFollowed(contentType, w.timeMs)
	} else {
		t, err = w.st.parse(body, contentType, w.timeMs)
	}
	w.tally, w.err = t, err
	r := report{up: err == nil, seconds: 0.25, tally: t}
	sc := w.st.accept
	if err != nil {
		sc = w.st.reject
	}
	got := sc(w.target, w.timeMs, r)
	checkScrape(w.t, got)
	w.buf.b = w.st.spare(w.buf.b)
	return dump(got) + fmt.Sprintln(reported(got))
}

// TestOutline puts targets to rest and wakes them in many ways, and compares with a state that
// has the parser read each body.
func TestOutline(t *testing.T) {
	const n = 500
	quiet := successive(5, n, .3, 0)
	last := quiet[len(quiet)-1]
	lines := bytes.SplitAfter(last, []byte("\n"))
	lines = lines[:len(lines)-1]
	join := func(lines ...[]byte) []byte { return bytes.Join(lines, nil) }
	at := func(i int, with ...[]byte) []byte {
		return join(join(lines[:i]...), join(with...), join(lines[i+1:]...))
	}
	odd := map[string][]byte{
		"all as before":            last,
		"empty":                    {},
		"no line feed at the end":  bytes.TrimSuffix(last, []byte("\n")),
		"a line more at the end":   append(bytes.Clone(last), "more 1\n"...),
		"a comment at the end":     append(bytes.Clone(last), "# more\n"...),
		"garbage at the end":       append(bytes.Clone(last), "!!\n"...),
		"no last line":             join(lines[:len(lines)-1]...),
		"half a line at the end":   last[:len(last)-30],
		"other help":               bytes.Replace(last, []byte("Time from"), []byte("Time between"), 1),
		"other type":               bytes.Replace(last, []byte("histogram\n"), []byte("untyped\n"), 1),
		"values in other words":    bytes.ReplaceAll(last, []byte(" 1"), []byte(" 0.1e1")),
		"special values":           at(400, lineWith(lines[400], "NaN")),
		"no value":                 at(400, lineWith(lines[400], "")),
		"a timestamp":              at(400, lineWith(lines[400], "1 1700000000000")),
		"a NUL for a value":        at(400, lineWith(lines[400], "\x00")),
		"two spaces":               at(400, bytes.Replace(lines[400], []byte(" "), []byte("  "), 1)),
		"CRLF":                     bytes.ReplaceAll(last, []byte("\n"), []byte("\r\n")),
		"a value that is too long": at(400, lineWith(lines[400], strings.Repeat("1", 70))),
		"a long line":              at(400, lines[400], []byte("long{a=\""+strings.Repeat("x", 100_000)+"\"} 1\n")),
	}
	for _, i := range []int{0, 2, 3, 100, 242, 243, len(lines) - 1} {
		odd[fmt.Sprint("without line ", i)] = at(i)
		odd[fmt.Sprint("line twice ", i)] = at(i, lines[i], lines[i])
		odd[fmt.Sprint("another line ", i)] = at(i, []byte("another{x=\"1\"} 5\n"))
		odd[fmt.Sprint("a line more before ", i)] = at(i, []byte("another{x=\"1\"} 5\n"), lines[i])
	}
	for name, body := range odd {
		t.Run(name, func(t *testing.T) {
			w, slow := newWire(t, &Config{}), newWire(t, &Config{})
			slow.st.slowOnly = true
			both := func(body []byte) {
				t.Helper()
				got, want := w.scrape(body, text004), slow.scrape(body, text004)
				if got != want {
					t.Fatalf("differs from what the parser makes of it\n got %s\nwant %s", excerpt(got), excerpt(want))
				}
				if g, w := fmt.Sprint(w.tally), fmt.Sprint(slow.tally); g != w {
					t.Fatalf("tally %s, want %s", g, w)
				}
			}
			for range 2 {
				w.st.restAfter = restAfter
				for _, body := range quiet {
					both(body)
				}
				if w.st.outline == nil {
					t.Fatal("not at rest")
				}
				both(body)
			}
		})
	}
}

// lineWith gives a line another value.
func lineWith(line []byte, value string) []byte {
	return append(bytes.Clone(line[:bytes.LastIndexByte(line, ' ')+1]), value+"\n"...)
}

// TestOutlineOther is about what wakes a target beside its bodies.
func TestOutlineOther(t *testing.T) {
	bodies := successive(6, 300, .3, 0)
	for name, do := range map[string]func(*wire){
		"other rules":        func(w *wire) { w.st.setRules(w.st.rules) },
		"clock set back":     func(w *wire) { w.st.forgetTimes(); w.timeMs -= 7_200_000 },
		"same time again":    func(w *wire) { w.timeMs -= 1000 },
		"other content type": func(w *wire) { w.scrape(bodies[0], "text/plain") },
		"a failure": func(w *wire) {
			w.timeMs += 1000
			w.st.begin()
			w.st.reject(w.target, w.timeMs, report{})
		},
		"a body that breaks off": func(w *wire) {
			body := append(bytes.Clone(bodies[1][:5000]), 0)
			w.timeMs += 1000
			if _, err := w.buf.readAll(io.MultiReader(bytes.NewReader(body), brokenReader{}), text004, "", 0); err == nil {
				w.t.Fatal("no error")
			}
			w.st.begin()
			w.st.reject(w.target, w.timeMs, report{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, slow := newWire(t, &Config{}), newWire(t, &Config{})
			slow.st.slowOnly = true
			for round := range 2 {
				for i, body := range bodies {
					if got, want := w.scrape(body, text004), slow.scrape(body, text004); got != want {
						t.Fatalf("round %d body %d\n got %s\nwant %s", round, i, excerpt(got), excerpt(want))
					}
				}
				if round == 0 && w.st.outline == nil {
					t.Fatal("not at rest")
				}
				do(w)
				do(slow)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestOutlineSleepsLess has a target that changes all the time stay awake.
func TestOutlineSleepsLess(t *testing.T) {
	bodies := successive(40, 300, .3, .02)
	w := newWire(t, &Config{})
	w.scrape(bodies[0], text004)
	woken := 0
	for i := range 600 {
		atRest := w.st.outline != nil
		w.scrape(bodies[i/15], text004) // each shape for 15 scrapes
		if atRest && w.st.outline == nil {
			woken++
		}
	}
	if woken < 2 || woken > 5 {
		t.Errorf("woken %d times", woken)
	}
	if w.st.outline != nil {
		t.Error("at rest, though it never is for long")
	}
	for range restAtMost {
		w.scrape(bodies[39], text004)
	}
	if w.st.outline == nil {
		t.Error("awake, though nothing has changed for long")
	}
}

func TestOutlineAllocatesNothing(t *testing.T) {
	bodies := successive(8, 2000, .3, 0)
	w := newWire(t, &Config{})
	for _, body := range bodies {
		w.scrape(body, text004)
	}
	i := 0
	r := bytes.NewReader(nil)
	allocs := testing.AllocsPerRun(100, func() {
		r.Reset(bodies[i%len(bodies)])
		i++
		w.timeMs += 1000
		if _, err := w.buf.readAll(r, text004, "", 0); err != nil || !w.buf.followed {
			t.Fatal(err, w.buf.followed)
		}
		tally, err := w.st.parseFollowed(text004, w.timeMs)
		if err != nil {
			t.Fatal(err)
		}
		w.st.accept(w.target, w.timeMs, report{up: true, tally: tally})
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a scrape of a target at rest", allocs)
	}
}
