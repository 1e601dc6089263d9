package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"outrider/agent/console"
	"outrider/telemetry"
)

const targetsHelp = `Shows each target with its health, its last scrape, its last profile of each type and
its last error, then each backend with what waits for it. Exits with 0 whatever it shows;
see --fail-down.

Examples:
  outrider targets
  outrider targets --fail-down
  outrider targets --json | jq '.targets[] | select(.health != "up")'`

func registerTargets(app *kingpin.Application, add func(*kingpin.CmdClause, command)) {
	cmd := app.Command("targets", "Show what a running sidecar sees.").HelpLong(targetsHelp)
	sidecar := addSidecarFlags(cmd)
	asJSON := cmd.Flag("json", "Print the whole status as JSON.").Bool()
	failDown := cmd.Flag("fail-down", "Exit with 1 if a target is down.").Bool()
	add(cmd, func(ctx context.Context, io stdio) error {
		c, err := sidecar.client()
		if err != nil {
			return err
		}
		defer c.Close()
		status, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			if err := printJSON(io.Out, status); err != nil {
				return err
			}
		} else {
			printStatus(io.Out, status)
		}
		if down := countDown(status); *failDown && down > 0 {
			return exitError{code: exitFailure, msg: fmt.Sprintf("outrider: %d of %d targets down", down, len(status.Targets))}
		}
		return nil
	})
}

func countDown(s *console.Status) int {
	n := 0
	for _, t := range s.Targets {
		if t.Health == telemetry.HealthDown {
			n++
		}
	}
	return n
}

// printStatus writes tables of at most 100 columns.
func printStatus(w io.Writer, s *console.Status) {
	if s.Config.Error != "" {
		fmt.Fprintln(w, "the last reload changed nothing:")
		note(w, s.Config.Error)
		fmt.Fprintln(w)
	}
	profiles := map[string][]console.ProfileStatus{}
	for _, p := range s.Profiles {
		profiles[p.Target] = append(profiles[p.Target], p)
	}
	names := []string{"TARGET"}
	for _, t := range s.Targets {
		names = append(names, t.Name)
	}
	names = slices.AppendSeq(names, maps.Keys(profiles))

	t := newTable(w, names, 7, 14, 7, 7)
	t.row("TARGET", "HEALTH", "LAST SCRAPE", "TOOK", "SAMPLES")
	for _, target := range s.Targets {
		took, samples := "-", "-"
		if !target.LastScrape.IsZero() {
			took, samples = console.Duration(seconds(target.DurationSeconds)), strconv.Itoa(target.Samples)
		}
		t.row(target.Name, string(target.Health), console.Age(s.Now, target.LastScrape), took, samples)
		note(w, target.LastError)
		if e := target.Explosion; e != nil {
			note(w, e.Summary())
			note(w, "to keep them out for good:")
			for line := range strings.Lines(e.Remedy) {
				fmt.Fprint(w, "      ", line)
			}
		}
		printProfiles(w, s.Now, profiles[target.Name])
		delete(profiles, target.Name) // two jobs may scrape what people call by one name
	}
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		t.row(name, "-", "not scraped", "-", "-")
		printProfiles(w, s.Now, profiles[name])
	}
	if len(names) == 1 {
		fmt.Fprintln(w, "no targets: see scrape_configs, or set OUTRIDER_TARGET")
	}
	printEndpoints(w, s)
}

// printProfiles writes one line for what was taken, and one for each type that fails.
func printProfiles(w io.Writer, now time.Time, profiles []console.ProfileStatus) {
	if len(profiles) == 0 {
		return
	}
	var types []string
	for _, p := range profiles {
		types = append(types, p.Type+" "+console.Age(now, p.LastCapture))
	}
	note(w, "profiles: "+strings.Join(types, ", "))
	for _, p := range profiles {
		if p.LastError != "" {
			note(w, p.Type+" profile: "+p.LastError)
		}
	}
}

func printEndpoints(w io.Writer, s *console.Status) {
	fmt.Fprintln(w)
	if len(s.Endpoints) == 0 {
		fmt.Fprintln(w, "no backends: see remote_write and pyroscope_write")
		return
	}
	names := []string{"BACKEND"}
	for _, e := range s.Endpoints {
		names = append(names, e.Name)
	}
	t := newTable(w, names, 15, 29, 14)
	t.row("BACKEND", "KIND", "WAITING", "LAST SUCCESS")
	for _, e := range s.Endpoints {
		t.row(e.Name, e.Kind, cmp.Or(e.Waiting(), "-"), console.Age(s.Now, e.LastSuccess))
		note(w, e.LastError)
		note(w, e.Trouble())
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
