// Command loadgen sends a steady, reproducible mix of requests to the checkout service.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"outrider/examples/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var (
		cfg     load.Config
		faults  string
		verbose bool
	)
	fs := flag.NewFlagSet("loadgen", flag.ExitOnError)
	fs.StringVar(&cfg.Target, "target", "http://127.0.0.1:8080", "base `URL` of the checkout service")
	fs.Float64Var(&cfg.Rate, "rps", 100, "requests per second")
	fs.DurationVar(&cfg.For, "for", 30*time.Second, "how long; 0 until interrupted")
	fs.Uint64Var(&cfg.Seed, "seed", 1, "seed of the mix")
	fs.IntVar(&cfg.MaxInFlight, "max-in-flight", 64, "requests under way at a time; what is due beyond is dropped")
	fs.StringVar(&faults, "faults", "", "faults to switch on for the run, such as `heap-leak,cpu-burn=10`")
	fs.BoolVar(&verbose, "v", false, "print the state every five seconds")
	_ = fs.Parse(args) // exits on error
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if faults != "" {
		cfg.Faults = strings.Split(faults, ",")
	}
	if verbose {
		cfg.ProgressEvery = 5 * time.Second
		cfg.Progress = func(s load.Summary) { fmt.Println(s) }
	}
	s, err := load.Run(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Println(s)
	if s.Requests > 0 && s.Errors == s.Requests {
		return errors.New("no request succeeded")
	}
	return nil
}
