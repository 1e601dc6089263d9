package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"outrider/bench/internal/load"
)

// sentence says what a load is.
func sentence(l load.Load) string {
	targets := "one target of"
	if l.Targets > 1 {
		targets = fmt.Sprintf("%d targets of", l.Targets)
	}
	every := "each second"
	if l.Interval != time.Second {
		every = "every " + strconv.FormatFloat(l.Interval.Seconds(), 'g', -1, 64) + " s"
	}
	s := fmt.Sprintf("%s %s series, scraped %s", targets, thousands(l.Series), every)
	if l.Churn > 0 {
		s += fmt.Sprintf(", %g %% of the series new in each scrape", l.Churn*100)
	}
	return s
}

func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// number writes three digits that mean something.
func number(f float64) string {
	switch {
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case f >= 1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	default:
		return strconv.FormatFloat(f, 'f', 3, 64)
	}
}

func ratio(f float64) string {
	if f == 0 {
		return "-"
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

func spread(s Stat) string { return number(s.Least) + "-" + number(s.Most) }

// Text writes the tables for a terminal of 100 columns.
func Text(w io.Writer, tables []Table) {
	for _, t := range tables {
		fmt.Fprintf(w, "%s: %s\n", t.Load, sentence(t.Load))
		const row = "  %-13s %9s %-13s %5s  %6s %5s  %6s %5s  %8s  %4s %4s\n"
		fmt.Fprintf(w, row, "AGENT", "CPU ms/1k", "SPREAD", "RATIO", "RSS MB", "RATIO", "ANON", "RATIO", "B/SAMPLE", "GAPS", "REP.")
		for _, r := range t.Rows {
			name := r.Agent
			if name == t.Base {
				name += " *"
			}
			fmt.Fprintf(w, row, name, number(r.CPU.Median), spread(r.CPU), ratio(r.CPURatio),
				number(r.RSS.Median), ratio(r.RSSRatio), number(r.Anon.Median), ratio(r.AnonRatio),
				number(r.Bytes.Median), strconv.Itoa(r.Gaps), strconv.Itoa(r.Repeats))
		}
		for _, r := range t.Rows {
			if len(r.Notes) > 0 {
				fmt.Fprintf(w, "  %s: %s\n", r.Agent, strings.Join(r.Notes, "; "))
			}
		}
		fmt.Fprintf(w, "  %s\n\n", busy(t))
	}
	goals := Goals(tables)
	if len(goals) == 0 {
		return
	}
	fmt.Fprintln(w, "Goals (* is what ratios refer to: vmagent with the protocol that takes it less CPU)")
	for _, g := range goals {
		fmt.Fprintf(w, "  %-14s %-13s %-30s %8s  want at most %-7s %s\n",
			g.Load, g.Agent, g.What, number(g.Got)+g.Unit, number(g.Most)+g.Unit, verdict(g))
	}
}

// quiet is how much of the machine other work may take before results deserve a warning:
// it empties the caches, and a collector that has to wait holds up its program for longer.
const quiet = 0.05

func busy(t Table) string {
	s := fmt.Sprintf("Other work took %.0f %% of the machine meanwhile (%.0f to %.0f %%).", t.Foreign.Median*100, t.Foreign.Least*100, t.Foreign.Most*100)
	if t.Foreign.Most > quiet {
		s += " Do not trust these numbers."
	}
	return s
}

func verdict(g Goal) string {
	if g.Met() {
		return "met"
	}
	return "missed"
}
