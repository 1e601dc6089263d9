package main

import (
	"context"
	"fmt"

	"github.com/alecthomas/kingpin/v2"
)

const reloadHelp = `The same as SIGHUP or POST /-/reload, for images without a shell. Exits with 1, and says
why, when the file has mistakes; the sidecar then goes on as before.

Examples:
  outrider check config outrider.yml && outrider reload
  kubectl exec checkout-7d4f -c outrider -- outrider reload`

func registerReload(app *kingpin.Application, add func(*kingpin.CmdClause, command)) {
	cmd := app.Command("reload", "Make a running sidecar read its configuration file again.").HelpLong(reloadHelp)
	sidecar := addSidecarFlags(cmd)
	add(cmd, func(ctx context.Context, io stdio) error {
		c, err := sidecar.client()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Reload(ctx); err != nil {
			return err
		}
		fmt.Fprintln(io.Out, "configuration reloaded")
		return nil
	})
}
