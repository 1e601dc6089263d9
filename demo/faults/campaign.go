package faults

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"outrider/demo/internal/stack"
)

// Options say how a campaign is run.
type Options struct {
	stack.Binaries // Outrider and Prometheus are needed
	// OldPrometheus is a Prometheus 2.42, which answers 500 where later ones answer 400.
	// Empty: a double answers in its place.
	OldPrometheus string
	// Dir holds everything that is written, a folder for each case. It is kept.
	Dir string
	// Kills is how many times the sidecar is killed altogether.
	Kills int
	// Short makes waits short, so that the campaign takes about a minute.
	Short bool
	// Seed decides the random moments.
	Seed uint64
	// Cases are the names of those to run; empty means all.
	Cases []string
	// Say is told how it goes on, from any goroutine; nil means nobody is.
	Say func(format string, args ...any)
}

// Row is one number of a campaign, and what it should have been.
type Row struct {
	Case, What, Got string
	// Want says what is expected; empty where the number is only told.
	Want string
	OK   bool
	// Skipped says that the case could not be tried here, and Got why.
	Skipped bool
}

// caseDef is one case. Those in the same lane run one after the other.
type caseDef struct {
	name string
	lane string
	run  func(ctx context.Context, b *bench) error
}

// cases is the campaign, in the order of the report.
func cases() []caseDef {
	return []caseDef{
		{"kills", "busy", runKills},
		{"damage", "busy", runDamage},
		{"disk", "hurt", runDisk},
		{"poison", "hurt", runPoison},
		{"401", "refused", runRefused},
		{"outage", "outage", runOutage},
		{"backlog", "backlog", runBacklog},
		{"prometheus", "prometheus", runPrometheus},
		{"deaf", "hurt", runDeaf},
	}
}

// Names lists the cases.
func Names() []string {
	var out []string
	for _, c := range cases() {
		out = append(out, c.name)
	}
	return out
}

// bench is where one case works and writes down its numbers.
type bench struct {
	Options
	name string
	dir  string

	mu   sync.Mutex
	rows []Row
}

func (b *bench) say(format string, args ...any) {
	if b.Say != nil {
		b.Say("%-10s %s", b.name, fmt.Sprintf(format, args...))
	}
}

func (b *bench) add(r Row) {
	r.Case = b.name
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, r)
	if !r.OK && !r.Skipped {
		b.say("MISS %s: %s, want %s; logs in %s", r.What, r.Got, r.Want, b.dir)
	}
}

// tell notes a number that nothing is asked of.
func (b *bench) tell(what, format string, args ...any) {
	b.add(Row{What: what, Got: fmt.Sprintf(format, args...), OK: true})
}

// want notes a number and whether it is as it should be.
func (b *bench) want(ok bool, what, want, format string, args ...any) {
	b.add(Row{What: what, Got: fmt.Sprintf(format, args...), Want: want, OK: ok})
}

// none notes what must not be there at all.
func (b *bench) none(what string, v violations) {
	got := fmt.Sprint(v.n)
	if v.n > 0 {
		got += ": " + strings.Join(v.first, "; ")
		if v.n > len(v.first) {
			got += "; ..."
		}
	}
	b.want(v.n == 0, what, "0", "%s", got)
}

// skip notes that the case cannot be tried here.
func (b *bench) skip(what, format string, args ...any) {
	b.add(Row{What: what, Got: fmt.Sprintf(format, args...), Skipped: true})
}

// Run runs the campaign and returns its numbers. The error says that it could not be run, not
// that a number is wrong: see Missed.
func Run(ctx context.Context, opts Options) ([]Row, error) {
	for _, name := range opts.Cases {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("no case is named %q: there are %s", name, strings.Join(Names(), ", "))
		}
	}
	var (
		wg      sync.WaitGroup
		benches []*bench
		lanes   = map[string][]func(){}
	)
	for _, c := range cases() {
		if len(opts.Cases) > 0 && !slices.Contains(opts.Cases, c.name) {
			continue
		}
		b := &bench{Options: opts, name: c.name, dir: filepath.Join(opts.Dir, c.name)}
		benches = append(benches, b)
		lanes[c.lane] = append(lanes[c.lane], func() { b.runCase(ctx, c) })
	}
	for _, lane := range lanes {
		wg.Go(func() {
			for _, run := range lane {
				run()
			}
		})
	}
	wg.Wait()
	var rows []Row
	for _, b := range benches {
		rows = append(rows, grouped(b.rows)...)
	}
	return rows, context.Cause(ctx)
}

// grouped sorts rows by what they begin with, up to a colon: rigs run at the same time and end
// in any order.
func grouped(rows []Row) []Row {
	group := func(r Row) string {
		name, _, ok := strings.Cut(r.What, ": ")
		if !ok {
			return ""
		}
		return name
	}
	out := slices.Clone(rows)
	slices.SortStableFunc(out, func(a, b Row) int { return strings.Compare(group(a), group(b)) })
	return out
}

// caseTimeout bounds each case: none may hang the campaign.
const caseTimeout = 25 * time.Minute

func (b *bench) runCase(ctx context.Context, c caseDef) {
	if ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, caseTimeout, errors.New("the case took too long"))
	defer cancel()
	began := time.Now()
	b.say("begins")
	if err := c.run(ctx, b); err != nil {
		b.add(Row{What: "the case itself", Got: err.Error(), Want: "it runs to its end"})
	}
	b.say("done after %s", time.Since(began).Round(time.Second))
}

// Missed are the rows that are not as they should be.
func Missed(rows []Row) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.OK || r.Skipped })
}
