// Command outrider rides beside one service: it scrapes the service's metrics and profiles,
// ships them without losing any, and opens pprof captures on demand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kingpin/v2"
)

func main() {
	os.Exit(Run(context.Background(), os.Args[1:], stdio{
		In:      os.Stdin,
		Out:     os.Stdout,
		Err:     os.Stderr,
		Getenv:  os.Getenv,
		Environ: os.Environ,
	}))
}

// stdio is what a command may touch of the process around it.
type stdio struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Environ  func() []string
}

// command is one subcommand, its flags already parsed. An error that is an exitError chooses
// the exit code; any other exits with 1.
type command func(ctx context.Context, io stdio) error

// exitError ends the process with a code and, when msg is not empty, a last line.
type exitError struct {
	code int
	msg  string
}

func (e exitError) Error() string { return e.msg }

// Exit codes. A usage error is told apart from a failure so that scripts can tell a typo
// from an outage.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitAborted = 130
)

// Run parses args, runs the subcommand they name and returns the exit code.
func Run(ctx context.Context, args []string, io stdio) int {
	app := kingpin.New("outrider", appHelp).
		UsageWriter(io.Out).
		ErrorWriter(io.Err).
		Terminate(func(code int) { panic(helpShown(code)) })
	app.HelpFlag.Short('h').Help("Show help.")
	app.UsageTemplate(usageTemplate)

	commands := map[string]command{}
	add := func(clause *kingpin.CmdClause, c command) { commands[clause.FullCommand()] = c }
	for _, register := range []func(*kingpin.Application, func(*kingpin.CmdClause, command)){
		registerRun, registerCheck, registerTargets, registerHealthcheck,
		registerFlush, registerReload, registerPprof, registerSpool, registerVersion,
	} {
		register(app, add)
	}

	name, code, err := parse(app, args)
	switch {
	case err != nil:
		fmt.Fprintf(io.Err, "outrider: %v (see outrider --help)\n", err)
		return exitUsage
	case name == "":
		return code
	}
	err = commands[name](ctx, io)
	var exit exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.msg != "" {
			fmt.Fprintln(io.Err, exit.msg)
		}
		return exit.code
	default:
		fmt.Fprintf(io.Err, "outrider: %v\n", err)
		return exitFailure
	}
}

// helpShown ends parsing once help has been printed: kingpin goes on unless its Terminate
// function does not return.
type helpShown int

// parse returns the command that args name, or an exit code when help was all they asked for.
func parse(app *kingpin.Application, args []string) (name string, code int, err error) {
	defer func() {
		if r := recover(); r != nil {
			shown, ok := r.(helpShown)
			if !ok {
				panic(r)
			}
			name, code, err = "", int(shown), nil
		}
	}()
	name, err = app.Parse(args)
	return name, exitOK, err
}
