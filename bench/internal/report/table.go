package report

import (
	"slices"

	"outrider/bench/internal/campaign"
	"outrider/bench/internal/load"
)

// Stat is a quantity over the repeats.
type Stat struct{ Median, Least, Most float64 }

func stat(values []float64) Stat {
	slices.Sort(values)
	n := len(values)
	return Stat{Median: (values[(n-1)/2] + values[n/2]) / 2, Least: values[0], Most: values[n-1]}
}

// Row is one agent under one load.
type Row struct {
	Agent   string
	Runs    int
	CPU     Stat // milliseconds for 1,000 samples
	RSS     Stat // MB
	Anon    Stat // MB
	Bytes   Stat // of the body of requests, for a sample
	Gaps    int  // of all runs
	Repeats int  // of all runs
	// Of the medians to those of vmagent's better protocol; 0 where that was not measured.
	CPURatio, RSSRatio, AnonRatio float64
	Notes                         []string
}

// Table is one load.
type Table struct {
	Load load.Load
	// Base is the row that ratios refer to: of vmagent's protocols the one that takes less
	// CPU. Empty if vmagent was not measured.
	Base string
	Rows []Row
	// Foreign is the part of the machine that other work took while agents were measured.
	Foreign Stat
}

const mb = 1 << 20

// Tables sorts runs into tables, in the order in which loads and agents first come.
func Tables(runs []campaign.Run) ([]Table, error) {
	var tables []Table
	for _, name := range distinct(runs, func(r campaign.Run) string { return r.Load }) {
		l, err := load.Parse(name)
		if err != nil {
			return nil, err
		}
		t := Table{Load: l}
		of := filter(runs, func(r campaign.Run) bool { return r.Load == name })
		for _, agent := range distinct(of, func(r campaign.Run) string { return r.Agent }) {
			t.Rows = append(t.Rows, row(agent, filter(of, func(r campaign.Run) bool { return r.Agent == agent })))
		}
		var foreign []float64
		for _, r := range of {
			foreign = append(foreign, r.Foreign)
		}
		t.Foreign = stat(foreign)
		t.relate()
		tables = append(tables, t)
	}
	return tables, nil
}

func row(agent string, runs []campaign.Run) Row {
	each := func(of func(campaign.Run) float64) Stat {
		var values []float64
		for _, r := range runs {
			values = append(values, of(r))
		}
		return stat(values)
	}
	row := Row{
		Agent: agent,
		Runs:  len(runs),
		CPU:   each(campaign.Run.CPUPerThousand),
		RSS:   each(func(r campaign.Run) float64 { return float64(r.RSS) / mb }),
		Anon:  each(func(r campaign.Run) float64 { return float64(r.Anon) / mb }),
		Bytes: each(campaign.Run.BytesPerSample),
	}
	for _, r := range runs {
		row.Gaps += r.Gaps()
		row.Repeats += r.Repeats
		if r.Gaps() > 0 {
			row.Notes = append(row.Notes, r.Missing.String())
		}
		if r.Bad != "" {
			row.Notes = append(row.Notes, "unreadable: "+r.Bad)
		}
		if r.Killed {
			row.Notes = append(row.Notes, "did not end when asked to")
		}
	}
	return row
}

// relate fills in the ratios.
func (t *Table) relate() {
	base := -1
	for i, r := range t.Rows {
		if product(r.Agent) == "vmagent" && (base < 0 || r.CPU.Median < t.Rows[base].CPU.Median) {
			base = i
		}
	}
	if base < 0 {
		return
	}
	b := t.Rows[base]
	t.Base = b.Agent
	for i := range t.Rows {
		r := &t.Rows[i]
		r.CPURatio = r.CPU.Median / b.CPU.Median
		r.RSSRatio = r.RSS.Median / b.RSS.Median
		r.AnonRatio = r.Anon.Median / b.Anon.Median
	}
}

// Row returns the row of an agent.
func (t Table) Row(agent string) (Row, bool) {
	i := slices.IndexFunc(t.Rows, func(r Row) bool { return r.Agent == agent })
	if i < 0 {
		return Row{}, false
	}
	return t.Rows[i], true
}

func distinct(runs []campaign.Run, of func(campaign.Run) string) []string {
	var all []string
	for _, r := range runs {
		if name := of(r); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

func filter(runs []campaign.Run, keep func(campaign.Run) bool) []campaign.Run {
	var kept []campaign.Run
	for _, r := range runs {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	return kept
}
