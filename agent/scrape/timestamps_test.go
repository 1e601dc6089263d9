package scrape

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOwnTimestamps(t *testing.T) {
	const hour = 3600_000
	type count struct{ tooNew, tooOld, outOfOrder, duplicates int }
	for _, tc := range []struct {
		name   string
		bodies []string
		want   string // the last scrape
		count  count  // of the last scrape
	}{
		{
			name:   "the same again is no news",
			bodies: []string{at("a 1", -5), at("a 1", -5)},
		},
		{
			name:   "newer",
			bodies: []string{at("a 1", -5), at("a 2", -4)},
			want:   restLine("a", -4, 2),
		},
		{
			name:   "older",
			bodies: []string{at("a 1", -5), at("a 2", -6)},
			count:  count{outOfOrder: 1},
		},
		{
			name:   "several of one series",
			bodies: []string{at("a 1", -5) + at("a 2", -4) + at("a 3", -4) + at("a 4", -6)},
			want:   restLine("a", -5, 1) + restLine("a", -4, 2),
			count:  count{outOfOrder: 1},
		},
		{
			name:   "of a failed scrape are sent by the next",
			bodies: []string{at("a 1", -5) + at("b 1", -5) + "{", at("a 1", -5)},
			want:   restLine("a", -5, 1),
		},
		{
			name:   "too far ahead, too old, seconds instead of milliseconds",
			bodies: []string{at("a 1", 2*hour) + at("b 1", -25*hour) + "c 1 1700000000\n"},
			count:  count{tooNew: 1, tooOld: 2},
		},
		{
			name:   "a little ahead, then none, is held back until then",
			bodies: []string{at("a 1", 1500), "a 2\n"},
			count:  count{outOfOrder: 1},
		},
		{
			name:   "and then goes on",
			bodies: []string{at("a 1", 1500), "a 2\n", "a 3\n"},
			want:   "{__name__=\"a\", instance=\"pod-1:8080\", job=\"checkout\"} 3\n",
		},
		{
			name:   "a plain one after its own is a duplicate",
			bodies: []string{at("a 1", -5) + "a 2\n"},
			want:   restLine("a", -5, 1),
			count:  count{duplicates: 1},
		},
		{
			name:   "its own after a plain one is older",
			bodies: []string{"a 2\n" + at("a 1", -5)},
			want:   "{__name__=\"a\", instance=\"pod-1:8080\", job=\"checkout\"} 2\n",
			count:  count{outOfOrder: 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSession(t, &Config{HonorTimestamps: true})
			var got string
			for _, body := range tc.bodies {
				got = dump(s.scrape(body, text004))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			n := count{s.tally.tooNew, s.tally.tooOld, s.tally.outOfOrder, s.tally.duplicates}
			if n != tc.count {
				t.Errorf("counted %+v, want %+v", n, tc.count)
			}
		})
	}
}

// at gives a line a timestamp so many milliseconds after the first scrape.
func at(line string, ms int) string { return fmt.Sprintf("%s %d\n", line, testStartMs+ms) }

func restLine(name string, ms int, value float64) string {
	return fmt.Sprintf("rest {__name__=%q, instance=\"pod-1:8080\", job=\"checkout\"} @%d %v\n", name, testStartMs+ms, value)
}

func TestOwnTimestampRemembered(t *testing.T) {
	s := newSession(t, &Config{HonorTimestamps: true})
	s.mustScrape(at("a 1", -5), text004)
	for range keepSeries {
		s.mustScrape("b 1\n", text004)
	}
	if sc := s.mustScrape(at("a 1", -5)+"b 1\n", text004); len(sc.Rest) != 0 {
		t.Errorf("sent again: %s", dump(sc))
	}
}

func TestExemplars(t *testing.T) {
	s := newSession(t, &Config{})
	line := func(exemplar string) string {
		return "# TYPE a counter\na_total 1 # " + exemplar + "\n# EOF\n"
	}
	long := make([]byte, 130)
	for i := range long {
		long[i] = 'x'
	}
	for _, tc := range []struct {
		name, exemplar, want string
		dropped              int
	}{
		{"the first", `{id="1"} 1 1699999990`, `{id="1"} 1 @1699999990000`, 0},
		{"again", `{id="1"} 1 1699999990`, "", 0},
		{"newer", `{id="2"} 1 1699999991`, `{id="2"} 1 @1699999991000`, 0},
		{"older", `{id="3"} 1 1699999990.5`, "", 0},
		{"too long", `{id="` + string(long) + `"} 1 1699999995`, "", 1},
		{"from the future", `{id="4"} 1 1800000000`, "", 1},
		{"without a time", `{id="5"} 5`, `{id="5"} 5 @1700000006000`, 0},
		{"without a time, again", `{id="5"} 5`, "", 0},
		{"without a time, another", `{id="6"} 5`, `{id="6"} 5 @1700000008000`, 0},
	} {
		sc := s.mustScrape(line(tc.exemplar), openText)
		got := ""
		for _, r := range sc.Rest {
			for _, e := range r.Exemplars {
				got += dumpExemplar(e)
			}
		}
		if got != tc.want || s.tally.exemplars != tc.dropped {
			t.Errorf("%s: got %q, %d dropped; want %q, %d", tc.name, got, s.tally.exemplars, tc.want, tc.dropped)
		}
	}
}

func TestExemplarOfFailedScrapeIsSentByTheNext(t *testing.T) {
	s := newSession(t, &Config{})
	const good = "# TYPE a counter\na_total 1 # {id=\"1\"} 1 1699999990\n# EOF\n"
	if s.scrape(good[:len(good)-6], openText); s.err == nil {
		t.Fatal("accepted without # EOF")
	}
	if sc := s.mustScrape(good, openText); len(sc.Rest) != 1 {
		t.Errorf("got %s", dump(sc))
	}
}

func TestTimesAreForgottenWhenTheClockIsSetBack(t *testing.T) {
	s := newSession(t, &Config{HonorTimestamps: true})
	body := func(ms int) string {
		sec := float64(testStartMs+ms) / 1000
		return fmt.Sprintf("# TYPE a counter\na_total 1 # {id=\"%d\"} 1 %f\n# TYPE b gauge\nb 1 %f\n# EOF\n", ms, sec, sec)
	}
	const back = 2 * 3600_000
	s.mustScrape(body(-5), openText)
	s.timeMs -= back
	s.st.forgetTimes()
	if sc := s.mustScrape(body(-5-back), openText); len(sc.Rest) != 2 {
		t.Errorf("want the exemplar and the sample with a timestamp of its own, got %s", dump(sc))
	}
}
