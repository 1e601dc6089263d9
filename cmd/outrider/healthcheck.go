package main

import (
	"context"
	"fmt"

	"github.com/alecthomas/kingpin/v2"
)

const healthcheckHelp = `Prints one line and exits with 0 if the sidecar is healthy, with 1 if not. It is for
probes in images without a shell. With basic authentication on the main door, ask the
telemetry door.

Examples:
  outrider healthcheck
  outrider healthcheck --ready --timeout 1s
  outrider healthcheck --url http://127.0.0.1:9911`

func registerHealthcheck(app *kingpin.Application, add func(*kingpin.CmdClause, command)) {
	cmd := app.Command("healthcheck", "Ask a running sidecar whether it is healthy.").HelpLong(healthcheckHelp)
	sidecar := addSidecarFlags(cmd)
	ready := cmd.Flag("ready", "Ask whether it is ready instead.").Bool()
	timeout := cmd.Flag("timeout", "How long to wait for an answer.").Default("2s").Duration()
	add(cmd, func(ctx context.Context, io stdio) error {
		c, err := sidecar.client()
		if err != nil {
			return err
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		ask, word := c.Healthy, "healthy"
		if *ready {
			ask, word = c.Ready, "ready"
		}
		if err := ask(ctx); err != nil {
			return err
		}
		fmt.Fprintln(io.Out, word)
		return nil
	})
}
