package report

import (
	"fmt"
	"io"
	"strings"
)

// Circumstances are what a result depends on.
type Circumstances struct {
	Date     string
	Command  string
	Machine  string
	Kernel   string
	Memory   string
	Go       string
	Versions []Version
	Repeats  int
	Warmup   string
	Window   string
	Gzip     bool
}

// Version is that of one program.
type Version struct{ Program, Version string }

const method = `Agents run one at a time; the service that is scraped, the sink and the agent are processes of their own. Every
repeat runs all agents before the next repeat begins. Each agent has its default settings: the same targets, the same
interval, no labels beside its own. The bodies are as client_golang writes them (three fifths of the series in
histograms, the rest counters and gauges, integers and fractions); %s of the values differ from one body to the next. They
are served %s.

- **CPU**: of the process of the agent, by its CPU clock, in user and kernel mode, per 1,000 samples of the service that
  arrived within the window. Median of the repeats, least and most.
- **Memory**: RSS and its anonymous part (RssAnon), mean of readings each half second, in MiB.
- **B/sample**: bytes of the bodies of the requests, per sample.
- **Gaps**: scrapes that were not made in time, or were served whole and did not arrive with every series. **Repeats**: samples
  whose series and timestamp had come before. Sums over the repeats. The sink keeps the requests as they come and is asked
  after the agent has ended, so that counting takes no CPU from it.
- **Ratio**: to vmagent (\*) with the protocol that takes it less CPU.
- **floor**: not an agent. A loop on plain connections that reads the body, patches a prebuilt request without looking at
  the body, compresses it, writes it to a file and posts it: what is left when nothing is parsed.
`

// Markdown writes the results as a page.
func Markdown(w io.Writer, c Circumstances, tables []Table) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	p("# Outrider beside its peers\n\n<!-- Written by `%s`. -->\n\n", c.Command)
	p("| | |\n|---|---|\n")
	p("| date | %s |\n| machine | %s, %s |\n| kernel | %s |\n| Go | %s |\n", c.Date, c.Machine, c.Memory, c.Kernel, c.Go)
	for _, v := range c.Versions {
		p("| %s | %s |\n", v.Program, v.Version)
	}
	p("| command | `%s` |\n", c.Command)
	p("| repeats | %d |\n| warm-up | %s |\n| window | %s |\n\n", c.Repeats, c.Warmup, c.Window)

	if goals := Goals(tables); len(goals) > 0 {
		p("## Goals\n\n| load | agent | | measured | at most | |\n|---|---|---|---:|---:|---|\n")
		for _, g := range goals {
			p("| %s | %s | %s | %s | %s | %s |\n", g.Load, g.Agent, g.What, number(g.Got)+g.Unit, number(g.Most)+g.Unit, verdict(g))
		}
		p("\n")
	}
	for _, t := range tables {
		p("## %s\n\n%s.\n\n", t.Load, strings.ToUpper(sentence(t.Load)[:1])+sentence(t.Load)[1:])
		p("| agent | CPU ms per 1,000 | least–most | ratio | RSS MB | ratio | anonymous MB | ratio | B/sample | gaps | repeats |\n")
		p("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
		for _, r := range t.Rows {
			name := r.Agent
			if name == t.Base {
				name += ` \*`
			}
			p("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %d | %d |\n", name, number(r.CPU.Median),
				number(r.CPU.Least)+"–"+number(r.CPU.Most), ratio(r.CPURatio), number(r.RSS.Median), ratio(r.RSSRatio),
				number(r.Anon.Median), ratio(r.AnonRatio), number(r.Bytes.Median), r.Gaps, r.Repeats)
		}
		for _, r := range t.Rows {
			if len(r.Notes) > 0 {
				p("\n%s: %s\n", r.Agent, strings.Join(r.Notes, "; "))
			}
		}
		p("\n%s\n\n", busy(t))
	}
	served := "uncompressed to all"
	if c.Gzip {
		served = "compressed to those that ask for it"
	}
	p("## How it is measured\n\n"+method, "30 %", served)
}
