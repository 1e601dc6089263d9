// Command bench-floor moves scrapes from targets to the sink with the least work that this can take.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"

	"outrider/bench/internal/floor"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench-floor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o floor.Options
	app := kingpin.New("bench-floor", "Move scrapes from targets to the sink with the least work that this can take.")
	protocol := app.Flag("protocol", "Remote-write protocol.").Default("1.0").Enum("1.0", "2.0")
	app.Flag("sink", "URL of the receiver.").Required().StringVar(&o.Sink)
	app.Flag("interval", "How often each target is scraped.").Default("1s").DurationVar(&o.Interval)
	app.Flag("file", "Where the requests are written to, with a suffix for each target.").Required().StringVar(&o.File)
	app.Arg("targets", "host:port of each target.").Required().StringsVar(&o.Targets)
	if _, err := app.Parse(args); err != nil {
		return err
	}
	o.V2 = *protocol == "2.0"
	return floor.Run(ctx, o)
}
