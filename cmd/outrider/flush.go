package main

import (
	"context"
	"fmt"

	"github.com/alecthomas/kingpin/v2"
)

const flushHelp = `Scrapes every target once and waits until all queues are delivered. Exits with 1 if
something is left when the time is up. It is for the preStop hook of a container.

Examples:
  outrider flush
  outrider flush --timeout 25s`

func registerFlush(app *kingpin.Application, add func(*kingpin.CmdClause, command)) {
	cmd := app.Command("flush", "Make a running sidecar scrape and deliver everything now.").HelpLong(flushHelp)
	sidecar := addSidecarFlags(cmd)
	timeout := cmd.Flag("timeout", "How long delivery may take, at most 5m.").Default("10s").Duration()
	add(cmd, func(ctx context.Context, io stdio) error {
		c, err := sidecar.client()
		if err != nil {
			return err
		}
		defer c.Close()
		res, err := c.Flush(ctx, *timeout)
		if err != nil {
			return err
		}
		if res.Error != "" {
			return exitError{code: exitFailure, msg: printable(res.String())}
		}
		fmt.Fprintln(io.Out, printable(res.String()))
		return nil
	})
}
