package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/alecthomas/kingpin/v2"

	"outrider/agent/config"
)

const checkConfigHelp = `Prints the effective configuration, with defaults filled in and secrets left out, to
standard output, and warnings to standard error. Exits with 1 and one line for each
mistake, "file:line: key: what is wrong", when the file cannot be used.

Examples:
  outrider check config outrider.yml
  outrider check config outrider.yml > effective.yml`

func registerCheck(app *kingpin.Application, add func(*kingpin.CmdClause, command)) {
	check := app.Command("check", "Check files before they are used.")
	cmd := check.Command("config", "Check a configuration file and print what it means.").HelpLong(checkConfigHelp)
	file := cmd.Arg("file", "Configuration file.").Required().String()
	quiet := cmd.Flag("quiet", "Print mistakes and warnings alone.").Short('q').Bool()
	add(cmd, func(_ context.Context, io stdio) error {
		cfg, warnings, err := config.Load(*file, io.Getenv)
		for _, w := range warnings {
			fmt.Fprintf(io.Err, "warning: %s\n", w)
		}
		if err != nil {
			var mistakes config.Errors
			if errors.As(err, &mistakes) {
				return exitError{code: exitFailure, msg: mistakes.Error()}
			}
			return err
		}
		if *quiet {
			return nil
		}
		effective, err := cfg.Marshal()
		if err != nil {
			return fmt.Errorf("print configuration: %w", err)
		}
		fmt.Fprintf(io.Out, "# %s is valid. What it means, with all defaults:\n%s", filepath.Base(*file), effective)
		return nil
	})
}
