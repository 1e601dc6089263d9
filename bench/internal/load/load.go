// Package load provides the shapes of work that agents are measured under.
package load

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Load is a number of targets, each with the same number of series.
type Load struct {
	Targets  int
	Series   int // of each target
	Interval time.Duration
	Churn    float64 // part of the series that are new in each scrape, 0 to 1
}

// Defaults are the loads of a full run.
func Defaults() []Load {
	return []Load{
		{Targets: 1, Series: 10_000, Interval: time.Second},
		{Targets: 10, Series: 1_000, Interval: time.Second},
		{Targets: 1, Series: 50_000, Interval: time.Second},
		{Targets: 1, Series: 500, Interval: 15 * time.Second},
		{Targets: 1, Series: 10_000, Interval: time.Second, Churn: 0.05},
	}
}

// Parse reads a load as String writes it: 10x1k@1s is ten targets of 1,000 series, scraped
// each second; 1x10k@1s+5% is one of which a twentieth of the series are new each time.
func Parse(s string) (Load, error) {
	bad := func(what string) (Load, error) {
		return Load{}, fmt.Errorf("load %q: %s; want such as 10x1k@1s or 1x10k@1s+5%%", s, what)
	}
	shape, rest, ok := strings.Cut(s, "@")
	if !ok {
		return bad("no interval")
	}
	every, churn, churns := strings.Cut(rest, "+")
	targets, series, ok := strings.Cut(shape, "x")
	if !ok {
		return bad("no number of targets")
	}
	var l Load
	var err error
	if l.Targets, err = strconv.Atoi(targets); err != nil || l.Targets < 1 || l.Targets > 1000 {
		return bad("between 1 and 1000 targets")
	}
	thousands, isK := strings.CutSuffix(series, "k")
	if l.Series, err = strconv.Atoi(thousands); err != nil {
		return bad("no number of series")
	}
	if isK {
		l.Series *= 1000
	}
	if l.Series < 100 || l.Series > 1_000_000 {
		return bad("between 100 and 1000k series")
	}
	if l.Interval, err = time.ParseDuration(every); err != nil || l.Interval < 100*time.Millisecond {
		return bad("no interval of 100ms or more")
	}
	if churns {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(churn, "%"), 64)
		if err != nil || !strings.HasSuffix(churn, "%") || !(percent > 0 && percent <= 30) {
			return bad("between 0% and 30% new series")
		}
		l.Churn = percent / 100
	}
	return l, nil
}

func (l Load) String() string {
	series := strconv.Itoa(l.Series)
	if l.Series%1000 == 0 {
		series = strconv.Itoa(l.Series/1000) + "k"
	}
	interval := strconv.FormatFloat(l.Interval.Seconds(), 'g', -1, 64) + "s"
	s := fmt.Sprintf("%dx%s@%s", l.Targets, series, interval)
	if l.Churn > 0 {
		s += "+" + strconv.FormatFloat(l.Churn*100, 'g', 6, 64) + "%"
	}
	return s
}

// Steady is the same load without new series.
func (l Load) Steady() Load {
	l.Churn = 0
	return l
}

// Times are how long a run lasts.
type Times struct {
	Warmup time.Duration // from the start of the agent
	Window time.Duration // what is measured; a whole number of intervals
}

// Fit lengthens t to what says something about l: two scrapes before the window and two
// within, and a window that ends where a scrape begins.
func (l Load) Fit(t Times) Times {
	t.Warmup = max(t.Warmup, 2*l.Interval)
	n := (t.Window + l.Interval - 1) / l.Interval
	t.Window = max(n, 2) * l.Interval
	return t
}

// Times are those of a full run: those given for intervals of a few seconds, and for a longer one at
// least four scrapes before the window and ten within.
func (l Load) Times(t Times) Times {
	return l.Fit(Times{Warmup: max(t.Warmup, 4*l.Interval), Window: max(t.Window, 10*l.Interval)})
}
