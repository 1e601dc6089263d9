package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"outrider/demo/internal/stack"
)

// scrapeInterval is shorter than anyone needs, so that there is soon something to see.
const scrapeInterval = 2 * time.Second

// endTimeout bounds how long everything may take to end, together.
const endTimeout = 30 * time.Second

// demo is one run.
type demo struct {
	flags  flags
	screen *screen
}

func (d *demo) run(ctx context.Context) (err error) {
	began := time.Now()
	d.screen.Printf("Building what is missing or out of date into %s", d.shownBin())
	binaries, err := d.build(ctx)
	if err != nil {
		return err
	}

	dir, err := os.MkdirTemp("", "outrider-demo-")
	if err != nil {
		return err
	}
	defer func() {
		if d.flags.keep {
			d.screen.Printf("Kept: %s", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()

	d.screen.Printf("\nStarting (logs in %s)", filepath.Join(dir, "logs"))
	s, err := stack.Up(ctx, stack.Options{
		Binaries:       binaries,
		Dir:            dir,
		Message:        message(d.flags.protocol),
		ScrapeInterval: scrapeInterval,
		Rate:           d.flags.rate,
		Started:        d.started,
	})
	if err != nil {
		return interruptedOr(ctx, err)
	}
	defer func() {
		d.screen.Status("Ending")
		// Not ctx: an interrupt is what usually brings us here. A second one ends the wait.
		end, release := interruptible(context.WithoutCancel(ctx))
		defer release()
		end, cancel := context.WithTimeoutCause(end, endTimeout, fmt.Errorf("not ended after %s", endTimeout))
		defer cancel()
		err = errors.Join(err, s.Down(end))
	}()
	d.screen.Printf("Everything is up after %s; remote write %s, a scrape every %s.", round(time.Since(began)), d.flags.protocol, scrapeInterval)
	d.screen.Printf("%s", nextSteps(s, filepath.Join(d.shownBin(), "outrider"), dir))

	up := time.Now()
	if err := d.watch(ctx, s, up); err != nil {
		if errors.Is(err, errInterrupted) && d.flags.duration == 0 {
			return nil // the way to end it
		}
		return err
	}
	return d.report(ctx, s, time.Since(up))
}

// shownBin is the folder of the binaries as seen from the root, where people are.
func (d *demo) shownBin() string {
	if rel, err := filepath.Rel(d.flags.root, d.flags.bin); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return d.flags.bin
}

// interruptedOr prefers to say that we were interrupted over what came of it.
func interruptedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// roles say what each part is.
var roles = map[string]string{
	"pyroscope":  "double of Pyroscope, keeps profiles as files",
	"prometheus": "real Prometheus, takes remote writes",
	"checkout":   "example service, with metrics, pprof and faults",
	"loadgen":    "customers of the service",
	"outrider":   "the sidecar, beside checkout",
}

func (d *demo) started(part, url string) {
	d.screen.Printf("  %-11s %-24s %s", part, url, roles[part])
}

// watch shows the state until the time is up (nil), ctx ends or a process does.
func (d *demo) watch(ctx context.Context, s *stack.Stack, up time.Time) error {
	var over <-chan time.Time // never, without --for
	if d.flags.duration > 0 {
		timer := time.NewTimer(d.flags.duration)
		defer timer.Stop()
		over = timer.C
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-s.Failed():
			return err
		case <-tick.C:
			at := round(time.Since(up))
			if d.flags.duration > 0 {
				at += " of " + round(d.flags.duration)
			}
			d.screen.Status("%s | %s", at, status(ctx, s))
		}
	}
}

// nextSteps are commands to try, to be copied as they are.
func nextSteps(s *stack.Stack, outrider, dir string) string {
	url := ""
	if s.Sidecar.URL != "http://127.0.0.1:9910" { // which is the default
		url = " --url " + s.Sidecar.URL
	}
	var b strings.Builder
	fmt.Fprintln(&b, "\nTry, in another terminal (Ctrl-C here ends everything):")
	for _, step := range []struct{ what, command string }{
		{"ask Prometheus", fmt.Sprintf(`curl -s --data-urlencode 'query=go_goroutines{job="checkout"}' %s/api/v1/query`, s.Prometheus.URL)},
		{"what the sidecar sees", fmt.Sprintf("%s targets%s", outrider, url)},
		{"take a CPU profile", fmt.Sprintf("%s pprof checkout%s --type cpu --seconds 5 -o cpu.pb.gz && go tool pprof -top cpu.pb.gz", outrider, url)},
		{"leak goroutines", fmt.Sprintf("curl -X POST '%s/faults/goroutine-leak?on=true'   (on=false ends it)", s.Service.URL)},
		{"other faults", fmt.Sprintf("curl %s/faults", s.Service.URL)},
		{"profiles that arrived", fmt.Sprintf("go tool pprof -top %s/checkout/process_cpu/*.pb.gz", filepath.Join(dir, "profiles"))},
	} {
		fmt.Fprintf(&b, "  %-22s %s\n", step.what, step.command)
	}
	return b.String()
}
