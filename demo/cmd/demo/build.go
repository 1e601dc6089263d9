package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"outrider/demo/internal/stack"
)

// build builds what is missing or out of date, showing how it goes on.
func (d *demo) build(ctx context.Context) (stack.Binaries, error) {
	var out stack.Binaries
	b := &stack.Builder{Root: d.flags.root, Bin: d.flags.bin}
	steps := []struct {
		name  string
		hint  string
		build func(context.Context) (string, error)
		path  *string
	}{
		{"outrider", "", b.Outrider, &out.Outrider},
		{"checkout", "", b.Checkout, &out.Checkout},
		{"loadgen", "", b.Loadgen, &out.Loadgen},
		{"prometheus", " (some minutes the first time, then never again)", b.Prometheus, &out.Prometheus},
	}
	if d.flags.prometheus != "" {
		path, err := filepath.Abs(d.flags.prometheus)
		if err != nil {
			return out, err
		}
		out.Prometheus = path
		steps = steps[:len(steps)-1]
	}
	for _, step := range steps {
		if err := d.watched(step.name, step.hint, b, func() (err error) {
			*step.path, err = step.build(ctx)
			return err
		}); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return out, cause
			}
			return out, err
		}
	}
	return out, nil
}

// watched runs one build and shows what it does and for how long.
func (d *demo) watched(name, hint string, b *stack.Builder, build func() error) error {
	start := time.Now()
	progress := make(chan stack.Progress, 64)
	b.Report = func(p stack.Progress) {
		select {
		case progress <- p:
		default: // the next one says more
		}
	}
	done := make(chan error, 1)
	go func() { done <- build() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := stack.Progress{}
	for {
		select {
		case err := <-done:
			if err == nil {
				d.screen.Printf("  %-11s %s", name, outcome(last, time.Since(start)))
			}
			return err
		case last = <-progress:
		case <-tick.C:
		}
		d.screen.Status("  %-11s building%s: %s", name, hint, describe(last, time.Since(start)))
	}
}

func describe(p stack.Progress, took time.Duration) string {
	s := round(took)
	if p.Modules > 0 {
		s += fmt.Sprintf(", %d modules downloaded", p.Modules)
	}
	if p.Compile > 0 {
		s += fmt.Sprintf(", %d packages compiled", p.Compile)
	}
	if p.Last != "" {
		s += ", " + p.Last
	}
	return s
}

func outcome(p stack.Progress, took time.Duration) string {
	if p.Modules == 0 && p.Compile == 0 {
		return "up to date"
	}
	return fmt.Sprintf("built in %s", round(took))
}

// round renders a duration without what nobody reads.
func round(d time.Duration) string { return d.Round(time.Second).String() }
