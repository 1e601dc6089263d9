// Command demo starts a service under load, real Prometheus, a double of Pyroscope and the
// sidecar between them, and shows what arrives. It needs neither Docker nor root.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"outrider/demo/internal/stack"
)

func main() {
	os.Exit(Run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// flags are what the user chose.
type flags struct {
	root       string
	bin        string
	prometheus string
	protocol   string
	duration   time.Duration
	rate       int
	keep       bool
}

// The exit codes besides 0.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// Run is the demo with its arguments and its terminal. It returns the exit code.
func Run(ctx context.Context, args []string, stdout, stderr *os.File) int {
	var f flags
	done := false
	app := kingpin.New("demo", "Run Outrider between a service and its backends, on this machine.").
		UsageWriter(stdout).ErrorWriter(stderr).Terminate(func(int) { done = true })
	app.HelpFlag.Short('h')
	app.Flag("for", "End by itself this long after everything is up, with a table of what arrived; exit with 1 if anything expected did not.").
		PlaceHolder("30s").DurationVar(&f.duration)
	app.Flag("protocol", "Remote-write protocol.").Default("1.0").EnumVar(&f.protocol, "1.0", "2.0")
	app.Flag("rps", "Requests a second that the service gets.").Default("100").IntVar(&f.rate)
	app.Flag("keep", "Keep what was written: logs, profiles, the data of Prometheus.").BoolVar(&f.keep)
	app.Flag("prometheus", "A Prometheus binary to use instead of building one.").PlaceHolder("PATH").StringVar(&f.prometheus)
	app.Flag("root", "Root of the repository.").Default(".").StringVar(&f.root)
	app.Flag("bin", "Folder of the binaries (default: bin in the root).").StringVar(&f.bin)
	if _, err := app.Parse(args); done {
		return 0
	} else if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return exitUsage
	}
	if f.bin == "" {
		f.bin = filepath.Join(f.root, "bin")
	}

	ctx, release := interruptible(ctx)
	defer release()
	screen := newScreen(stdout)
	defer screen.Close()
	err := (&demo{flags: f, screen: screen}).run(ctx)
	screen.Close()
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(stderr, "demo: interrupted")
		return exitInterrupted
	default:
		fmt.Fprintln(stderr, "demo:", err)
		return exitFailure
	}
}

// interruptible returns a context that ends with the first SIGINT or SIGTERM, or when the
// process that started us has gone: `go run` hands on no SIGTERM.
func interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	parent := os.Getppid()
	tick := time.NewTicker(time.Second)
	go func() {
		defer tick.Stop()
		for {
			select {
			case <-signals:
				cancel(errInterrupted)
				return
			case <-tick.C:
				if os.Getppid() != parent {
					cancel(errInterrupted)
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// message is the protobuf message of a protocol version.
func message(protocol string) string {
	if protocol == "2.0" {
		return stack.MessageV2
	}
	return stack.MessageV1
}
