// Command checkout is an example service to ride beside: a small shop with real metrics, real
// profiles, and faults that can be switched on over HTTP.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"outrider/examples/checkout/internal/shop"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "checkout:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	cfg := shop.Config{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	fs := flag.NewFlagSet("checkout", flag.ExitOnError)
	fs.StringVar(&cfg.Listen, "listen", "127.0.0.1:8080", "`address` of the shop, its metrics and its faults; none of it has authentication")
	fs.StringVar(&cfg.PprofListen, "pprof-listen", "", "`address` of their own for the pprof handlers (default: that of the shop)")
	fs.Uint64Var(&cfg.Seed, "seed", 1, "seed of stock, latencies and declined payments")
	fs.BoolVar(&cfg.SDK, "sdk", false, "run pyroscope-go in the process: it then owns the CPU profiler")
	fs.StringVar(&cfg.PyroscopeURL, "pyroscope", "http://127.0.0.1:4040", "`URL` that pyroscope-go uploads to, with -sdk")
	_ = fs.Parse(args) // exits on error
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return shop.Run(ctx, cfg)
}
