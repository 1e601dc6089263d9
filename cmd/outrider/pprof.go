package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"outrider/agent/client"
	"outrider/agent/console"
)

const pprofHelp = `Takes a profile through the sidecar, which waits for captures that are under way, and
writes it as gzipped pprof. TARGET is service/instance as "outrider targets" shows it, or
the instance, service or job alone where that is clear; it may be left out if there is only
one. Without --seconds a CPU profile lasts as long as the configuration says.

Examples:
  outrider pprof checkout
  outrider pprof checkout/pod-1:8080 --type cpu --seconds 10 -o cpu.pprof
  kubectl exec POD -c outrider -- outrider pprof --type memory -o - > memory.pprof`

func registerPprof(app *kingpin.Application, add func(*kingpin.CmdClause, command)) {
	cmd := app.Command("pprof", "Take a profile of a target now.").HelpLong(pprofHelp)
	sidecar := addSidecarFlags(cmd)
	var o capture
	cmd.Arg("target", "What to profile.").StringVar(&o.target)
	cmd.Flag("type", "Profile type: cpu, memory, goroutine, mutex, block.").Default("cpu").StringVar(&o.typ)
	cmd.Flag("seconds", "How long to record, for types that record over a time.").IntVar(&o.seconds)
	var named bool
	cmd.Flag("output", "File to write, - for standard output. By default named for service, type and time.").
		Short('o').IsSetByUser(&named).StringVar(&o.output)
	add(cmd, func(ctx context.Context, io stdio) error {
		if named && o.output == "" {
			o.output = "-" // which kingpin takes for the empty string
		}
		if o.output == "-" && isTerminal(io.Out) {
			return errors.New("a profile is not for a terminal: give a file with -o, or redirect it into one")
		}
		if o.seconds < 0 {
			return fmt.Errorf("--seconds %d: want a positive number", o.seconds)
		}
		c, err := sidecar.client()
		if err != nil {
			return err
		}
		defer c.Close()
		// An interrupt ends the capture in the service, and leaves no half of a file.
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		return o.run(ctx, c, io)
	})
}

// capture is one profile to take.
type capture struct {
	target, typ string
	seconds     int
	output      string
}

func (o *capture) run(ctx context.Context, c *client.Client, io stdio) error {
	if o.output == "-" {
		_, err := o.take(ctx, c, io.Err, io.Out)
		return err
	}
	if info, err := os.Stat(o.output); err == nil && !info.Mode().IsRegular() {
		return o.writeInto(ctx, c, io)
	}
	tmp, err := os.CreateTemp(filepath.Dir(o.output), ".outrider-*.tmp")
	if err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	defer os.Remove(tmp.Name()) // no file of that name once it was renamed
	defer tmp.Close()
	name, err := o.take(ctx, c, io.Err, tmp)
	if err != nil {
		return err
	}
	name = cmp.Or(o.output, name)
	info, err := tmp.Stat()
	if err == nil {
		err = tmp.Close()
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	fmt.Fprintf(io.Err, "wrote %s (%s)\nlook at it: go tool pprof -http=: %s\n", name, console.Bytes(info.Size()), name)
	return nil
}

// writeInto writes to what is no ordinary file, such as a pipe, which must stay what it is.
func (o *capture) writeInto(ctx context.Context, c *client.Client, io stdio) error {
	f, err := os.OpenFile(o.output, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	_, err = o.take(ctx, c, io.Err, f)
	return errors.Join(err, f.Close())
}

// take captures into w and shows on a terminal that something is going on.
func (o *capture) take(ctx context.Context, c *client.Client, terminal, w io.Writer) (string, error) {
	if isTerminal(terminal) {
		defer o.showProgress(terminal)()
	}
	name, err := c.Capture(ctx, o.target, o.typ, o.seconds, w)
	if errors.Is(err, context.Canceled) {
		return "", exitError{code: exitAborted, msg: "outrider: interrupted"}
	}
	return name, err
}

// showProgress writes a line over and over until the func it returns is called.
func (o *capture) showProgress(w io.Writer) (stop func()) {
	done := make(chan struct{})
	start := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			fmt.Fprintf(w, "\r%s\x1b[K", o.progress(time.Since(start)))
			select {
			case <-done:
				fmt.Fprint(w, "\r\x1b[K")
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

func (o *capture) progress(elapsed time.Duration) string {
	target := cmp.Or(o.target, "the only target")
	gone := int(elapsed / time.Second)
	switch {
	case o.seconds == 0:
		return fmt.Sprintf("taking a %s profile of %s: %ds", o.typ, target, gone)
	case gone <= o.seconds:
		return fmt.Sprintf("recording %s of %s: %ds of %ds", o.typ, target, gone, o.seconds)
	default:
		return fmt.Sprintf("recording %s of %s: %ds, waiting for its turn or its answer", o.typ, target, gone)
	}
}

// isTerminal says whether w is a terminal. /dev/null is a character device as well.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
