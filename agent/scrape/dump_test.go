package scrape

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// dump renders a scrape as text, one sample a line, without its report series.
func dump(sc *telemetry.Scrape) string {
	var b strings.Builder
	if sc.Failed {
		b.WriteString("failed\n")
	}
	for i := range sc.Series.Len() - len(reportFamilies()) {
		fmt.Fprintf(&b, "%s %v%s\n", sc.Series.At(i), sc.Values[i], dumpMeta(sc.Series.Metadata(i)))
	}
	for _, s := range sc.Rest {
		fmt.Fprintf(&b, "rest %s @%d", s.Labels, s.TimeMs)
		switch {
		case s.IsStale():
			b.WriteString(" stale")
		case s.Kind == telemetry.KindFloat:
			fmt.Fprintf(&b, " %v", s.Value)
		case s.Kind == telemetry.KindHistogram:
			fmt.Fprintf(&b, " histogram %s", s.Histogram)
		case s.Kind == telemetry.KindFloatHistogram:
			fmt.Fprintf(&b, " float histogram %s", s.FloatHistogram)
		}
		for _, e := range s.Exemplars {
			fmt.Fprintf(&b, " exemplar %s", dumpExemplar(e))
		}
		b.WriteString(dumpMeta(s.Metadata) + "\n")
	}
	return b.String()
}

func dumpMeta(m *telemetry.Metadata) string {
	if m == nil {
		return ""
	}
	return fmt.Sprintf(" # %s %s %q %q", m.Family, m.Type, m.Help, m.Unit)
}

func dumpExemplar(e exemplar.Exemplar) string {
	return fmt.Sprintf("%s %v @%d", e.Labels, e.Value, e.Ts)
}

// reported returns the values of the report series.
func reported(sc *telemetry.Scrape) []float64 {
	return sc.Values[len(sc.Values)-len(reportFamilies()):]
}

// checkScrape fails the test if the scrape breaks what telemetry promises of it.
func checkScrape(t testing.TB, sc *telemetry.Scrape) {
	t.Helper()
	if len(sc.Values) != sc.Series.Len() {
		t.Fatalf("%d values for %d series", len(sc.Values), sc.Series.Len())
	}
	seen := map[string]bool{}
	once := func(lset labels.Labels, timeMs int64) {
		key := fmt.Sprintf("%s@%d", lset, timeMs)
		if seen[key] {
			t.Errorf("twice in one scrape: %s", key)
		}
		seen[key] = true
		if lset.Get(model.MetricNameLabel) == "" {
			t.Errorf("series without a name: %s", lset)
		}
		if name, twice := lset.HasDuplicateLabelNames(); twice {
			t.Errorf("label %s twice in %s", name, lset)
		}
	}
	for i := range sc.Series.Len() {
		once(sc.Series.At(i), sc.TimeMs)
	}
	for _, s := range sc.Rest {
		if s.Kind != telemetry.KindExemplar {
			once(s.Labels, s.TimeMs)
		}
	}
}

var testTarget = labels.FromStrings("instance", "pod-1:8080", "job", "checkout")

// session is a state with the loop's part of the work done by hand.
type session struct {
	t      testing.TB
	st     *state
	target *telemetry.Target
	timeMs int64
	tally  tally
	err    error
}

const testStartMs = 1_700_000_000_000

func newSession(t testing.TB, cfg *Config) *session {
	t.Helper()
	r, err := newRules(testTarget, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &session{
		t: t, st: newState(r),
		target: &telemetry.Target{Job: "checkout", Labels: testTarget},
		timeMs: testStartMs - 1000,
	}
}

// scrape parses a body one second after the one before.
func (s *session) scrape(body, contentType string) *telemetry.Scrape {
	s.t.Helper()
	s.timeMs += 1000
	s.tally, s.err = s.st.parse([]byte(body), contentType, s.timeMs)
	r := report{up: s.err == nil, seconds: 0.25, tally: s.tally}
	var sc *telemetry.Scrape
	if s.err == nil {
		sc = s.st.accept(s.target, s.timeMs, r)
	} else {
		sc = s.st.reject(s.target, s.timeMs, r)
	}
	checkScrape(s.t, sc)
	return sc
}

// mustScrape is scrape for bodies that are expected to be good.
func (s *session) mustScrape(body, contentType string) *telemetry.Scrape {
	s.t.Helper()
	sc := s.scrape(body, contentType)
	if s.err != nil {
		s.t.Fatal(s.err)
	}
	return sc
}
