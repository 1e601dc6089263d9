// Command bench-sink takes remote writes of any protocol and counts what is in them when it is asked.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"outrider/bench/internal/sink"
	"outrider/bench/internal/target"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-sink:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	s, err := sink.Listen()
	if err != nil {
		return err
	}
	if err := target.Announce(os.Stdout, s.Address()); err != nil {
		return err
	}
	return s.Run(ctx)
}
