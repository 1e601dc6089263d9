// Command bench measures the sidecar side by side with its peers: the same targets, the same sink, one
// agent at a time, in turns. `make bench` builds what it needs and runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"outrider/bench/internal/agents"
	"outrider/bench/internal/campaign"
	"outrider/bench/internal/load"
)

func main() {
	os.Exit(Run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// The exit codes besides 0.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// flags are what the user chose.
type flags struct {
	outrider, bin   string
	agents, loads   string
	repeats         int
	warmup, window  time.Duration
	quick, gzip     bool
	out, journal    string
	profiles        string
	list, ownWindow bool
}

// parse reads the arguments. done means that the user has got what was asked for.
func parse(args []string, stdout, stderr io.Writer) (f flags, done bool, err error) {
	app := kingpin.New("bench", "Measure Outrider, vmagent and Prometheus side by side.").
		UsageWriter(stdout).ErrorWriter(stderr).Terminate(func(int) { done = true })
	app.HelpFlag.Short('h')
	app.Flag("agents", "Agents to run, by name or product, separated by commas (default: all; --list shows them).").
		PlaceHolder("NAMES").StringVar(&f.agents)
	app.Flag("loads", "Loads, separated by commas: 10x1k@1s is ten targets of 1,000 series scraped each second, 1x10k@1s+5% one with 5 % new series in each scrape.").
		Default(defaultLoads()).StringVar(&f.loads)
	app.Flag("repeats", "How often each agent runs under each load.").Default("3").IntVar(&f.repeats)
	app.Flag("warmup", "How long an agent runs before it is measured; at least 2 scrapes (4 when --window is left alone).").
		Default("15s").DurationVar(&f.warmup)
	app.Flag("window", "How long it is measured; at least 2 scrapes (10 when left alone).").
		Default("45s").IsSetByUser(&f.ownWindow).DurationVar(&f.window)
	app.Flag("quick", "One repeat, 6s of warm-up and a window of 15s: for a look, not for a result.").BoolVar(&f.quick)
	app.Flag("gzip", "Let targets compress for agents that ask for it.").BoolVar(&f.gzip)
	app.Flag("out", "Write the results to this file, as Markdown, after each run.").PlaceHolder("FILE").StringVar(&f.out)
	app.Flag("journal", "Keep each run in this file and go on with what it lacks.").PlaceHolder("FILE").StringVar(&f.journal)
	app.Flag("cpuprofile", "Run the sidecar once more with the targets of each load, ten scrapes a second and not measured, and write its profiles into this folder.").
		PlaceHolder("DIR").StringVar(&f.profiles)
	app.Flag("list", "List the agents and end.").BoolVar(&f.list)
	app.Flag("bin", "Folder of the programs but the sidecar.").Default("bin").StringVar(&f.bin)
	app.Flag("outrider", "The sidecar (default: outrider in that folder).").Envar("OUTRIDER_BIN").PlaceHolder("FILE").StringVar(&f.outrider)
	_, err = app.Parse(args)
	return f, done, err
}

// times are how long runs last and how often they are made.
func (f flags) times() (times func(load.Load) load.Times, repeats int) {
	t := load.Times{Warmup: f.warmup, Window: f.window}
	switch {
	case f.quick:
		t = load.Times{Warmup: 6 * time.Second, Window: 15 * time.Second}
		return func(l load.Load) load.Times { return l.Fit(t) }, 1
	case f.ownWindow:
		return func(l load.Load) load.Times { return l.Fit(t) }, f.repeats
	default:
		return func(l load.Load) load.Times { return l.Times(t) }, f.repeats
	}
}

// Run is the command with its arguments and its terminal. It returns the exit code.
func Run(ctx context.Context, args []string, stdout *os.File, stderr io.Writer) int {
	f, done, err := parse(args, stdout, stderr)
	if done {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitUsage
	}

	ctx, release := interruptible(ctx)
	defer release()
	screen := newScreen(stdout)
	b, err := newBench(f, args, screen)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitUsage
	}
	err = b.run(ctx)
	screen.Close()
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(stderr, "bench: interrupted")
		return exitInterrupted
	default:
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailure
	}
}

func defaultLoads() string {
	var names []string
	for _, l := range load.Defaults() {
		names = append(names, l.String())
	}
	return strings.Join(names, ",")
}

// newBench checks the flags and that every program is there.
func newBench(f flags, args []string, screen *screen) (*bench, error) {
	b := &bench{flags: f, args: args, screen: screen}
	var err error
	if b.bin, err = filepath.Abs(f.bin); err != nil {
		return nil, err
	}
	outrider := filepath.Join(b.bin, "outrider")
	if f.outrider != "" {
		if outrider, err = filepath.Abs(f.outrider); err != nil {
			return nil, err
		}
	}
	all := agents.All(outrider, b.bin)
	if f.list {
		for _, a := range all {
			screen.Printf("%s", a.Name)
		}
		return b, nil
	}
	if b.plan.Agents, err = agents.Choose(all, f.agents); err != nil {
		return nil, err
	}
	for _, name := range strings.Split(f.loads, ",") {
		l, err := load.Parse(name)
		if err != nil {
			return nil, err
		}
		b.plan.Loads = append(b.plan.Loads, l)
	}
	if f.repeats < 1 || f.warmup < 0 || f.window <= 0 {
		return nil, errors.New("want at least one repeat, and a window")
	}
	b.plan.Times, b.plan.Repeats = f.times()
	for _, path := range b.programs() {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%s is missing; `make bench` builds it: %w", filepath.Base(path), err)
		}
	}
	return b, nil
}

// bench is one campaign.
type bench struct {
	flags
	args   []string
	screen *screen
	plan   campaign.Plan
}

// interruptible returns a context that ends with the first SIGINT or SIGTERM.
func interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			cancel(errInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
