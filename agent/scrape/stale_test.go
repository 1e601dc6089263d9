package scrape

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/telemetry"
)

// markers returns the names of the series that a scrape ends.
func markers(sc *telemetry.Scrape) string {
	var names []string
	for _, s := range sc.Rest {
		if s.IsStale() {
			names = append(names, s.Labels.Get("__name__"))
		}
	}
	return strings.Join(names, " ")
}

func TestStaleness(t *testing.T) {
	const bad = "{"
	for _, tc := range []struct {
		name   string
		cfg    Config
		bodies []string
		want   []string // markers of each scrape, and of the end
	}{
		{
			name:   "a series goes and comes back",
			bodies: []string{"a 1\nb 1\n", "a 1\n", "a 1\n", "a 1\nb 1\n", "b 1\n"},
			want:   []string{"", "b", "", "", "a"},
		},
		{
			name:   "a failure ends all, once",
			bodies: []string{"a 1\nb 1\n", bad, bad, "a 1\nb 1\n", "a 1\n"},
			want:   []string{"", "a b", "", "", "b"},
		},
		{
			name:   "a failure after half of the exposition ends all of the one before",
			bodies: []string{"a 1\nb 1\n", "a 1\nc 1\n" + bad, "a 1\n"},
			want:   []string{"", "a b", ""},
		},
		{
			name:   "another order ends nothing",
			bodies: []string{"a 1\nb 1\n", "b 1\na 1\n", "a 1\nb 1\n"},
			want:   []string{"", "", ""},
		},
		{
			name:   "an empty exposition ends all",
			bodies: []string{"a 1\n", "", "a 1\n"},
			want:   []string{"", "a", ""},
		},
		{
			name:   "timestamps of their own need no markers",
			cfg:    Config{HonorTimestamps: true},
			bodies: []string{fmt.Sprintf("a 1 %d\nb 1\n", testStartMs-5), "c 1\n"},
			want:   []string{"", "b"},
		},
		{
			name:   "unless they are tracked",
			cfg:    Config{HonorTimestamps: true, TrackTimestampsStaleness: true},
			bodies: []string{fmt.Sprintf("a 1 %d\nb 1\n", testStartMs-5), fmt.Sprintf("a 1 %d\n", testStartMs-5), "c 1\n"},
			want:   []string{"", "b", "a"},
		},
		{
			name:   "what never had a sample needs no marker",
			cfg:    Config{HonorTimestamps: true, TrackTimestampsStaleness: true},
			bodies: []string{"a 1 1700000000\n", "b 1\n"},
			want:   []string{"", ""},
		},
		{
			name:   "what has no sample that can be taken is ended",
			cfg:    Config{HonorTimestamps: true, TrackTimestampsStaleness: true},
			bodies: []string{at("a 1", -5), "a 1 1700000000\n", "b 1\n"},
			want:   []string{"", "a", ""},
		},
		{
			name:   "a marker is never older than what it ends",
			cfg:    Config{HonorTimestamps: true, TrackTimestampsStaleness: true},
			bodies: []string{fmt.Sprintf("a 1 %d\n", testStartMs+60_000), "b 1\n"},
			want:   []string{"", ""},
		},
		{
			name:   "a series that stops sending timestamps is ended when it goes",
			cfg:    Config{HonorTimestamps: true},
			bodies: []string{fmt.Sprintf("a 1 %d\n", testStartMs-5), "a 1\n", ""},
			want:   []string{"", "", "a"},
		},
		{
			name:   "a series that starts sending timestamps is ended as what it was",
			cfg:    Config{HonorTimestamps: true},
			bodies: []string{"a 1\n", fmt.Sprintf("a 1 %d\n", testStartMs+500), ""},
			want:   []string{"", "a", ""},
		},
		{
			name:   "two lines that mean one series",
			cfg:    Config{MetricRelabelConfigs: []*relabel.Config{dropLabels("path")}},
			bodies: []string{"a{path=\"x\"} 1\na{path=\"y\"} 1\n", "a{path=\"y\"} 1\n", ""},
			want:   []string{"", "", "a"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSession(t, &tc.cfg)
			var got []string
			for _, body := range tc.bodies {
				got = append(got, markers(s.scrape(body, text004)))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLastScrapeEndsEverything(t *testing.T) {
	s := newSession(t, &Config{})
	if sc := s.st.finish(s.target, s.timeMs); sc != nil {
		t.Fatalf("ends what never was: %s", dump(sc))
	}
	s.mustScrape("a 1\nb 1\n", text004)
	sc := s.st.finish(s.target, s.timeMs+1)
	const want = "a b up scrape_duration_seconds scrape_samples_scraped scrape_samples_post_metric_relabeling scrape_series_added"
	if got := markers(sc); got != want {
		t.Errorf("got %s", got)
	}
	if sc.Series.Len() != 0 || len(sc.Values) != 0 || len(sc.Rest) != 7 || sc.TimeMs != s.timeMs+1 || sc.Rest[0].TimeMs != s.timeMs+1 {
		t.Errorf("%+v", sc)
	}
	if sc := s.st.finish(s.target, s.timeMs+2); sc != nil {
		t.Error("ended twice")
	}
}

func TestLastScrapeAfterFailureEndsReport(t *testing.T) {
	s := newSession(t, &Config{})
	s.scrape("{", text004)
	if got := markers(s.st.finish(s.target, s.timeMs+1)); !strings.HasPrefix(got, "up ") {
		t.Errorf("got %q", got)
	}
}

func TestSeriesSetIsShared(t *testing.T) {
	s := newSession(t, &Config{})
	const body = "# TYPE a gauge\na 1\nb 1\n"
	first := s.mustScrape(body, text004).Series
	if s.mustScrape("# TYPE a gauge\na 7\nb 8\n", text004).Series != first {
		t.Error("other values: another set")
	}
	s.scrape("{", text004)
	if s.mustScrape(body, text004).Series != first {
		t.Error("after a failure: another set")
	}
	// The same series in another format.
	if s.mustScrape("# TYPE a gauge\na 1\n# TYPE b unknown\nb 1\n# EOF\n", openText).Series == first {
		t.Error("metadata of b: the same set")
	}
	for _, body := range []string{"# TYPE a gauge\na 1\n", "# TYPE a gauge\na 1\nb 1\nc 1\n", "# TYPE a gauge\nb 1\na 1\n", "# TYPE a counter\na 1\nb 1\n"} {
		if s.mustScrape(body, text004).Series == first {
			t.Errorf("%q: the same set", body)
		}
	}
}

func TestRulesChangeKeepsSeries(t *testing.T) {
	s := newSession(t, &Config{})
	s.mustScrape("a 1\nb{x=\"1\"} 1\n", text004)
	r, err := newRules(testTarget, &Config{MetricRelabelConfigs: []*relabel.Config{dropLabels("x")}})
	if err != nil {
		t.Fatal(err)
	}
	s.st.setRules(r)
	sc := s.mustScrape("a 1\nb{x=\"1\"} 1\n", text004)
	if diff := cmp.Diff(`{__name__="a", instance="pod-1:8080", job="checkout"} 1
{__name__="b", instance="pod-1:8080", job="checkout"} 1
rest {__name__="b", instance="pod-1:8080", job="checkout", x="1"} @1700000001000 stale
`, dump(sc)); diff != "" {
		t.Error(diff)
	}
	if s.tally.added != 1 {
		t.Errorf("%d added, want b alone", s.tally.added)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	sizes := func(st *state) [3]int { return [3]int{len(st.lines), len(st.series), len(st.families)} }
	t.Run("churn", func(t *testing.T) {
		s := newSession(t, &Config{})
		for i := range 100 {
			s.mustScrape(fmt.Sprintf("# HELP f%d x\na{i=\"%d\"} 1\nb 1\n", i, i), text004)
		}
		if got := sizes(s.st); got != [3]int{2, 2 + 5, keepFamilies + 1} {
			t.Errorf("lines, series, families: %v", got)
		}
	})
	t.Run("failures", func(t *testing.T) {
		s := newSession(t, &Config{})
		for i := range 100 {
			var b strings.Builder
			for j := range 100 {
				fmt.Fprintf(&b, "# HELP f%d_%d x\na{i=\"%d\",j=\"%d\"} 1\n", i, j, i, j)
			}
			s.scrape(b.String()+"{", text004)
		}
		if got := sizes(s.st); got[0] > strayLines+100 || got[1] > strayLines+105 || got[2] > strayLines+100*keepFamilies {
			t.Errorf("lines, series, families: %v", got)
		}
	})
	t.Run("beyond the sample limit", func(t *testing.T) {
		s := newSession(t, &Config{SampleLimit: 3})
		var b strings.Builder
		for j := range 10_000 {
			fmt.Fprintf(&b, "a{j=\"%d\"} 1\n", j)
		}
		s.scrape(b.String(), text004)
		if got := sizes(s.st); got[0] > 3 || got[1] > 3+5 {
			t.Errorf("lines, series: %v", got)
		}
		if s.tally.scraped != 10_000 || s.tally.kept != 10_000 {
			t.Errorf("tally %+v", s.tally)
		}
	})
}

func TestMarkersOfManySeriesAreForgotten(t *testing.T) {
	s := newSession(t, &Config{})
	s.mustScrape(exposition(10_000, 1), text004)
	if sc := s.scrape("{", text004); len(sc.Rest) != 10_000 {
		t.Fatalf("%d markers", len(sc.Rest))
	}
	for range 2 {
		s.mustScrape("a 1\n", text004)
	}
	if n := cap(s.st.draft.rest); n > keepRest {
		t.Errorf("room for %d samples kept", n)
	}
}
