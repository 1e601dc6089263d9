// Command faults runs the crash and fault campaign against the sidecar, prints a table of what
// it cost, and exits with 1 when any number is not as it should be.
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
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"outrider/demo/faults"
	"outrider/demo/internal/stack"
)

func main() {
	os.Exit(Run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// The exit codes besides 0.
const (
	exitMissed = 1
	exitUsage  = 2
)

// flags are what the user chose.
type flags struct {
	faults.Options
	root, bin, out string
	cases          string
}

// Run is the command with its arguments. It returns the exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var f flags
	done := false
	app := kingpin.New("faults", "Hurt Outrider and its backends, and count what that costs.").
		UsageWriter(stdout).ErrorWriter(stderr).Terminate(func(int) { done = true })
	app.HelpFlag.Short('h')
	app.Flag("cases", "Cases to run, separated by commas: "+strings.Join(faults.Names(), ", ")+" (default: all).").StringVar(&f.cases)
	app.Flag("kills", "How many times the sidecar is killed.").Default("200").IntVar(&f.Kills)
	app.Flag("short", "Short waits: about a minute in place of a quarter of an hour.").BoolVar(&f.Short)
	app.Flag("seed", "Decides the random moments; 0 takes one of the clock.").Default("0").Uint64Var(&f.Seed)
	app.Flag("out", "Folder for logs and results.txt (default: a new one, removed when all is well).").PlaceHolder("DIR").StringVar(&f.out)
	app.Flag("outrider", "A sidecar to use instead of building one.").PlaceHolder("PATH").StringVar(&f.Outrider)
	app.Flag("prometheus", "A Prometheus 3 to use instead of building one.").PlaceHolder("PATH").StringVar(&f.Prometheus)
	app.Flag("old-prometheus", "A Prometheus 2.42, such as Debian 12 has it. A double stands in for it.").PlaceHolder("PATH").StringVar(&f.OldPrometheus)
	app.Flag("root", "Root of the repository.").Default(".").StringVar(&f.root)
	app.Flag("bin", "Folder of the binaries (default: bin in the root).").StringVar(&f.bin)
	if _, err := app.Parse(args); done {
		return 0
	} else if err != nil {
		fmt.Fprintln(stderr, "faults:", err)
		return exitUsage
	}
	if f.cases != "" {
		f.Cases = strings.Split(f.cases, ",")
	}
	if f.Seed == 0 {
		f.Seed = uint64(time.Now().UnixNano())
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	missed, err := run(ctx, &f, stdout)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "faults:", err)
		return exitMissed
	case missed > 0:
		fmt.Fprintf(stderr, "faults: %d numbers are not as they should be; logs in %s\n", missed, f.Dir)
		return exitMissed
	}
	return 0
}

func run(ctx context.Context, f *flags, stdout io.Writer) (missed int, err error) {
	if f.Dir = f.out; f.Dir != "" {
		if old, _ := os.ReadDir(f.Dir); len(old) > 0 {
			return 0, fmt.Errorf("%s is not empty: old data would be taken for new", f.Dir)
		}
	} else {
		if f.Dir, err = os.MkdirTemp("", "outrider-faults-"); err != nil {
			return 0, err
		}
		defer func() {
			if missed == 0 && err == nil {
				err = os.RemoveAll(f.Dir)
			}
		}()
	}
	if f.Dir, err = filepath.Abs(f.Dir); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return 0, err
	}
	if err := f.find(ctx, stdout); err != nil {
		return 0, err
	}
	var mu sync.Mutex
	f.Say = func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(stdout, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
	}
	began := time.Now()
	f.Say("seed %d, logs in %s", f.Seed, f.Dir)
	rows, err := faults.Run(ctx, f.Options)
	table := faults.Table(rows, time.Since(began))
	fmt.Fprintf(stdout, "\n%s", table)
	if f.out != "" {
		err = errors.Join(err, os.WriteFile(filepath.Join(f.Dir, "results.txt"), []byte(table), 0o644))
	}
	return len(faults.Missed(rows)), err
}

// find builds what was not named.
func (f *flags) find(ctx context.Context, stdout io.Writer) error {
	if f.bin == "" {
		f.bin = filepath.Join(f.root, "bin")
	}
	b := &stack.Builder{Root: f.root, Bin: f.bin}
	for _, p := range []struct {
		name  string
		path  *string
		build func(context.Context) (string, error)
	}{
		{"outrider", &f.Outrider, b.Outrider},
		{"prometheus (some minutes the first time)", &f.Prometheus, b.Prometheus},
	} {
		var err error
		if *p.path == "" {
			fmt.Fprintf(stdout, "building %s\n", p.name)
			*p.path, err = p.build(ctx)
		} else {
			*p.path, err = filepath.Abs(*p.path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
