package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"outrider/bench/internal/agents"
	"outrider/bench/internal/campaign"
	"outrider/bench/internal/load"
	"outrider/bench/internal/report"
)

// programs are the paths of all that is needed.
func (b *bench) programs() []string {
	paths := []string{filepath.Join(b.bin, "bench-target"), filepath.Join(b.bin, "bench-sink")}
	for _, a := range b.plan.Agents {
		paths = append(paths, a.Binary)
	}
	return paths
}

func (b *bench) run(ctx context.Context) error {
	if b.list {
		return nil
	}
	facts, err := b.circumstances(ctx)
	if err != nil {
		return err
	}
	var done []campaign.Run
	add := func(campaign.Run) error { return nil }
	if b.journal != "" {
		journal, runs, err := campaign.OpenJournal(b.journal, made{facts.Versions, facts.Machine, b.warmup, b.window, b.quick, b.gzip})
		if err != nil {
			return err
		}
		defer journal.Close()
		done, add = runs, journal.Add
	}
	steps := b.plan.Steps()
	b.screen.Printf("%s, %s, %s", facts.Machine, facts.Memory, facts.Kernel)
	for _, v := range facts.Versions {
		b.screen.Printf("  %-10s %s", v.Program, v.Version)
	}
	b.screen.Printf("runs: %d, about %s\n", len(steps), b.plan.Duration(steps).Round(10*time.Second))
	b.screen.Printf("%-7s %-14s %-13s %2s  %9s  %6s  %6s  %8s  %4s %4s %6s", "", "LOAD", "AGENT", "#", "CPU ms/1k", "RSS MB", "ANON", "B/SAMPLE", "GAPS", "REP.", "OTHERS")

	rig := &campaign.Bench{Bin: b.bin, Gzip: b.gzip, Status: b.screen.Status}
	taken := len(done)
	err = b.plan.Run(ctx, rig, done, func(s campaign.Step, r campaign.Run) error {
		done = append(done, r)
		taken++
		b.screen.Printf("%-7s %-14s %-13s %2d  %9.3f  %6.1f  %6.1f  %8.2f  %4d %4d %5.0f%%",
			fmt.Sprintf("%d/%d", taken, len(steps)), r.Load, r.Agent, r.Repeat, r.CPUPerThousand(),
			float64(r.RSS)/(1<<20), float64(r.Anon)/(1<<20), r.BytesPerSample(), r.Gaps(), r.Repeats, r.Foreign*100)
		if r.Gaps() > 0 {
			b.screen.Printf("%-7s %s", "", r.Missing)
		}
		return errors.Join(add(r), b.write(facts, done))
	})
	if err != nil {
		return err
	}
	if b.profiles != "" {
		if err := b.profile(ctx, rig); err != nil {
			return err
		}
	}
	tables, err := report.Tables(done)
	if err != nil {
		return err
	}
	b.screen.Printf("")
	report.Text(b.screen, tables)
	if broken := report.Broken(tables); len(broken) > 0 {
		return errors.New("the sidecar lost or repeated:\n  " + strings.Join(broken, "\n  "))
	}
	return nil
}

// made is what has to be equal for runs to be compared.
type made struct {
	Versions       []report.Version
	Machine        string
	Warmup, Window time.Duration
	Quick, Gzip    bool
}

// write writes the page anew, so that a campaign that is cut short leaves what it has.
func (b *bench) write(facts report.Circumstances, runs []campaign.Run) error {
	if b.out == "" {
		return nil
	}
	tables, err := report.Tables(runs)
	if err != nil {
		return err
	}
	var page strings.Builder
	report.Markdown(&page, facts, tables)
	if err := os.WriteFile(b.out, []byte(page.String()), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// profile runs the sidecar once more with the targets of each load and takes its profiles.
// At the pace of a load it would do so little that a profile of 100 samples a second sees
// next to nothing: it scrapes as often as it can.
func (b *bench) profile(ctx context.Context, rig *campaign.Bench) error {
	if err := os.MkdirAll(b.profiles, 0o755); err != nil {
		return fmt.Errorf("write profiles: %w", err)
	}
	for _, l := range b.plan.Loads {
		l.Interval = min(l.Interval, 100*time.Millisecond)
		for _, a := range b.plan.Agents {
			if !a.Pprof || l.Churn > 0 && !a.Churn {
				continue
			}
			if _, err := rig.Measure(ctx, a, l, load.Times{Warmup: 5 * time.Second, Window: time.Minute}, b.profiles); err != nil {
				return err
			}
			b.screen.Printf("profiles of %s under %s are in %s", a.Name, l, b.profiles)
		}
	}
	return nil
}

// products are the programs whose versions the results name, once each.
func products(all []agents.Agent) []agents.Agent {
	var once []agents.Agent
	seen := map[string]bool{}
	for _, a := range all {
		if !a.Floor && !seen[a.Product()] {
			seen[a.Product()] = true
			once = append(once, a)
		}
	}
	return once
}
