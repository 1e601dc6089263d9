package scrape

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestUnchangedScrapeAllocatesNothing(t *testing.T) {
	bodies := successive(8, 2000, .3, 0)
	s := newSession(t, &Config{})
	for _, body := range bodies {
		s.mustScrape(string(body), text004)
	}
	i := 0
	allocs := testing.AllocsPerRun(100, func() {
		body := bodies[i%len(bodies)]
		i++
		s.timeMs += 1000
		tally, err := s.st.parse(body, text004, s.timeMs)
		if err != nil {
			t.Fatal(err)
		}
		s.st.accept(s.target, s.timeMs, report{up: true, tally: tally})
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a scrape of the same shape", allocs)
	}
	if !s.st.draft.repeated {
		t.Error("the layout was not repeated")
	}
}

// TestParseValue compares with what the parser makes of a value.
func TestParseValue(t *testing.T) {
	for _, text := range []string{
		"0", "1", "-1", "+1", "-0", "0.0", ".5", "5.", ".", "", "-", "+", "1e3", "1E3", "1e+3", "1e-3", "1e", "1e+", "e1", "1.5e300", "1e22", "1e23", "1e-22", "1e-23",
		"123456789012345678", "9007199254740991", "9007199254740992", "9007199254740993", "0.1", "0.30000000000000004", "1.7976931348623157e308", "1e309", "-1e309", "1e-400", "5e-324",
		"NaN", "nan", "NAN", "-NaN", "+NaN", "Inf", "+Inf", "-Inf", "inf", "Infinity", "infinity", "0x10", "0x1p4", "1_000", "1,5", " 1", "1 ", "1\r", "1e5e5", "--1", "1-1", "٣",
		"00001", "0000000000000000000000000001", "1.0000000000000000000000000000000000000001", strings.Repeat("1", 70), "12345678901234567890", "1e0", "0e999", "1e400", "1e-", "-.5e-3", "+5e1",
	} {
		checkValue(t, text)
	}
}

func FuzzParseValue(f *testing.F) {
	for _, s := range []string{"1", "-1.5e-7", "NaN", "+Inf", "0x1p4", "1_0", "123456789012345678.9e-3"} {
		f.Add(s)
	}
	f.Fuzz(checkValue)
}

// checkValue holds parseValue to the rules of the parser: what it reads it reads alike, to the bit.
func checkValue(t *testing.T, text string) {
	got, ok := parseValue([]byte(text))
	if !ok {
		return
	}
	want, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "pP_ \t\n{") {
		t.Fatalf("%q: read as %v, the parser refuses it: %v", text, got, err)
	}
	if math.IsNaN(want) {
		want = math.Float64frombits(0x7ff8000000000001)
	}
	if math.Float64bits(got) != math.Float64bits(want) {
		t.Fatalf("%q: %v (%x), want %v (%x)", text, got, math.Float64bits(got), want, math.Float64bits(want))
	}
}

// TestShortNatural tries all numbers of some length, and what is almost one.
func TestShortNatural(t *testing.T) {
	check := func(text string) {
		t.Helper()
		want, size := 0.0, -1
		digits, _, found := strings.Cut(text[2:], "\n")
		if found && len(digits) >= 1 && len(digits) <= 7 && len(text) >= 10 && strings.Trim(digits, "0123456789") == "" {
			want, _ = strconv.ParseFloat(digits, 64)
			size = len(digits)
		}
		if got, n := shortNatural([]byte(text), 2); got != want || n != size {
			t.Fatalf("%q: %v, %d, want %v, %d", text, got, n, want, size)
		}
	}
	for n := range 10_000_000 {
		if n > 20_000 && n%997 != 0 {
			continue
		}
		for _, format := range []string{"%d", "%07d", "%04d"} {
			check("} " + fmt.Sprintf(format, n) + "\nmore_of_it")
		}
	}
	for c := range 256 {
		for pos := range 8 {
			b := []byte("} 1234567\nmore")
			b[2+pos] = byte(c)
			check(string(b))
			b = []byte("} 123\n4567more")
			b[2+pos] = byte(c)
			check(string(b))
		}
	}
	for _, text := range []string{"} ", "} \n", "} 1\n", "} 12345\n1", "} 123456\n1", "} 12345678\n", "} 1234567\n", "} \n\n\n\n\n\n\n\n\n\n"} {
		check(text)
	}
}
