// Command bench-target serves the targets of one load: bench-target 10x1k@1s. Where it
// listens is the first line of its output.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"

	"outrider/bench/internal/load"
	"outrider/bench/internal/target"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench-target:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	app := kingpin.New("bench-target", "Serve the targets of one load.")
	gzip := app.Flag("gzip", "Compress bodies for clients that ask for it.").Bool()
	shape := app.Arg("load", "Such as 10x1k@1s.").Required().String()
	if _, err := app.Parse(args); err != nil {
		return err
	}
	l, err := load.Parse(*shape)
	if err != nil {
		return err
	}
	s, err := target.Listen(l, *gzip)
	if err != nil {
		return err
	}
	if err := target.Announce(os.Stdout, s.Addresses()); err != nil {
		return err
	}
	return s.Run(ctx)
}
