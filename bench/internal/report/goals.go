package report

import (
	"fmt"
	"strings"
)

// Goal is what the sidecar is held to under one load.
type Goal struct {
	Load, Agent string
	What        string
	Got, Most   float64
	Unit        string
}

// Met says whether the goal was reached.
func (g Goal) Met() bool { return g.Got <= g.Most }

// most is the largest share of vmagent's CPU time and anonymous memory by load, and the
// most memory in MB.
var most = map[string]struct{ cpu, anon, rss float64 }{
	"1x10k@1s":  {cpu: 1. / 5, anon: 1. / 2},
	"10x1k@1s":  {cpu: 1. / 4, anon: 2. / 3},
	"1x50k@1s":  {cpu: 1. / 5, anon: 1. / 2},
	"1x500@15s": {cpu: 1. / 4, rss: 25},
}

// mostChurn is how much more CPU new series may cost than the same load without them.
const mostChurn = 3

// Goals compares the sidecar with what it is held to, as far as that was measured.
func Goals(tables []Table) []Goal {
	var goals []Goal
	add := func(t Table, r Row, what string, got, most float64, unit string) {
		if most > 0 {
			goals = append(goals, Goal{t.Load.String(), r.Agent, what, got, most, unit})
		}
	}
	for _, t := range tables {
		for _, r := range t.Rows {
			if product(r.Agent) != "outrider" {
				continue
			}
			if m, ok := most[t.Load.String()]; ok {
				if t.Base != "" {
					add(t, r, "CPU, of vmagent's", r.CPURatio, m.cpu, "")
					add(t, r, "anonymous memory, of vmagent's", r.AnonRatio, m.anon, "")
				}
				add(t, r, "resident memory", r.RSS.Median, m.rss, " MB")
			}
			if t.Load.Churn > 0 {
				for _, steady := range tables {
					if s, ok := steady.Row(r.Agent); ok && steady.Load == t.Load.Steady() {
						add(t, r, "CPU, of that without new series", r.CPU.Median/s.CPU.Median, mostChurn, "")
					}
				}
			}
		}
	}
	return goals
}

// Broken lists what must never happen to the sidecar and did.
func Broken(tables []Table) []string {
	var broken []string
	for _, t := range tables {
		for _, r := range t.Rows {
			if product(r.Agent) == "outrider" && (r.Gaps > 0 || r.Repeats > 0 || len(r.Notes) > 0) {
				broken = append(broken, fmt.Sprintf("%s under %s: %d gaps, %d repeats%s", r.Agent, t.Load, r.Gaps, r.Repeats, notes(r)))
			}
		}
	}
	return broken
}

func notes(r Row) string {
	if len(r.Notes) == 0 {
		return ""
	}
	return " (" + strings.Join(r.Notes, "; ") + ")"
}

// product is what comes before the dash in the name of an agent.
func product(agent string) string {
	p, _, _ := strings.Cut(agent, "-")
	return p
}
