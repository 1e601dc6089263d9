package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"outrider/agent"
	"outrider/agent/console"
	"outrider/agent/stock"
)

const spoolLsHelp = `Shows each spool below the storage path: the requests that wait in it, and where the first of
them is. A sidecar may be running: it is not disturbed.

Examples:
  outrider spool ls
  outrider spool ls --storage.path /var/lib/outrider`

const spoolVerifyHelp = `Reads everything in the spools below the storage path and checks it. Exits with 1 and one line
for each stretch that is damaged, "file:offset: what is wrong". The end of a write that a
crash cut off is told but is no damage. A sidecar may be running: it is not disturbed.

Examples:
  outrider spool verify
  outrider spool verify --storage.path /mnt/rescued/outrider`

const spoolReplayHelp = `Sends files of the quarantine, or what waits in spools, to a receiver of remote write. Paths are
files, or folders in which spools and files (*.rw) are looked for. They stay as they are unless
--delete says otherwise. A spool that a running sidecar works on is refused: it is sent anyway.
Exits with 1 unless everything was delivered.

Examples:
  outrider spool replay --dry-run /var/lib/outrider/quarantine
  outrider spool replay --url http://prometheus:9090/api/v1/write /var/lib/outrider/quarantine
  outrider spool replay --url http://mimir/api/v1/push --header X-Scope-OrgID=shop --delete \
    /mnt/rescued/outrider/spool/mimir`

func registerSpool(app *kingpin.Application, add func(*kingpin.CmdClause, command)) {
	group := app.Command("spool", "Look at what waits on disk, or send it by hand.")
	registerSpoolLs(group, add)
	registerSpoolVerify(group, add)
	registerSpoolReplay(group, add)
}

// spoolDir adds the flag of the storage path and returns where spools are below it.
func spoolDir(cmd *kingpin.CmdClause) func() string {
	path := cmd.Flag("storage.path", fmt.Sprintf("Folder that `outrider run` was given (default %s).", agent.DefaultStoragePath)).
		PlaceHolder("DIR").Envar("OUTRIDER_STORAGE_PATH").String()
	return func() string { return filepath.Join(cmp.Or(*path, agent.DefaultStoragePath), "spool") }
}

func registerSpoolLs(group *kingpin.CmdClause, add func(*kingpin.CmdClause, command)) {
	cmd := group.Command("ls", "Show the spools and what waits in them.").HelpLong(spoolLsHelp)
	dir := spoolDir(cmd)
	add(cmd, func(_ context.Context, io stdio) error {
		lanes, err := stock.Lanes(dir())
		if err != nil {
			return err
		}
		printLanes(io.Out, dir(), lanes, time.Now())
		return nil
	})
}

func printLanes(w io.Writer, dir string, lanes []stock.Lane, now time.Time) {
	if len(lanes) == 0 {
		fmt.Fprintf(w, "no spool in %s\n", dir)
		return
	}
	names := []string{"SPOOL"}
	for _, l := range lanes {
		names = append(names, l.Name)
	}
	t := newTable(w, names, 6, 8, 10, 10, 9, 9)
	t.row("SPOOL", "IN USE", "REQUESTS", "SAMPLES", "BYTES", "OLDEST", "NEWEST", "CURSOR")
	for _, l := range lanes {
		oldest, newest, cursor := "-", "-", "none"
		if l.Requests > 0 {
			oldest, newest = console.Age(now, l.Oldest), console.Age(now, l.Newest)
		}
		if l.Cursor {
			cursor = fmt.Sprintf("%d:%d", l.Segment, l.Offset)
		}
		inUse := "no"
		if l.InUse {
			inUse = "yes"
		}
		t.row(l.Name, inUse, strconv.Itoa(l.Requests), strconv.FormatInt(l.Samples, 10), console.Bytes(l.Bytes), oldest, newest, cursor)
		if l.Faults > 0 {
			note(w, fmt.Sprintf("%d damaged: see outrider spool verify", l.Faults))
		}
		for _, f := range l.SetAside {
			note(w, "set aside: "+f)
		}
	}
}

func registerSpoolVerify(group *kingpin.CmdClause, add func(*kingpin.CmdClause, command)) {
	cmd := group.Command("verify", "Check everything in the spools.").HelpLong(spoolVerifyHelp)
	dir := spoolDir(cmd)
	add(cmd, func(_ context.Context, io stdio) error {
		files, damaged := 0, 0
		err := stock.Verify(dir(), func(f stock.File) {
			files++
			for _, fault := range f.Faults {
				what := fault.What
				if fault.Torn {
					what = "unfinished write"
				} else {
					damaged++
				}
				fmt.Fprintf(io.Out, "%s:%d: %s (%d bytes)\n", fault.File, fault.Offset, what, fault.Bytes)
			}
			fmt.Fprintf(io.Out, "%s: %d requests, %s\n", f.Name, f.Records, console.Bytes(f.Bytes))
		})
		if err != nil {
			return err
		}
		if damaged > 0 {
			return exitError{code: exitFailure, msg: fmt.Sprintf("outrider: damage in %d places", damaged)}
		}
		noun := "files"
		if files == 1 {
			noun = "file"
		}
		fmt.Fprintf(io.Out, "%d %s, no damage\n", files, noun)
		return nil
	})
}

func registerSpoolReplay(group *kingpin.CmdClause, add func(*kingpin.CmdClause, command)) {
	cmd := group.Command("replay", "Send what waits on disk, or is in quarantine, by hand.").HelpLong(spoolReplayHelp)
	paths := cmd.Arg("path", "File or folder to send.").Required().Strings()
	var o stock.SendOptions
	cmd.Flag("url", "Address of the receiver, such as http://prometheus:9090/api/v1/write.").PlaceHolder("URL").StringVar(&o.URL)
	cmd.Flag("http.config.file", "Authentication, TLS and proxy, in the format of Prometheus's HTTP clients.").PlaceHolder("FILE").StringVar(&o.HTTPConfigFile)
	headers := cmd.Flag("header", "Header to send; may be given again.").PlaceHolder("NAME=VALUE").StringMap()
	cmd.Flag("timeout", "How long one request may take.").Default("30s").DurationVar(&o.Timeout)
	cmd.Flag("retry-for", "How long one request is sent again when the receiver is away or overloaded.").Default("1m").DurationVar(&o.RetryFor)
	dryRun := cmd.Flag("dry-run", "Show what would be sent, and send nothing.").Bool()
	del := cmd.Flag("delete", "Take away what was delivered.").Bool()
	add(cmd, func(ctx context.Context, io stdio) error {
		if *dryRun {
			return replay(ctx, io, stock.Replay{Step: func(s stock.Step) { printStep(io.Out, s) }}, *paths, "would be sent")
		}
		if o.URL == "" {
			return exitError{code: exitUsage, msg: "outrider: --url is missing, or --dry-run (see outrider spool replay --help)"}
		}
		o.Headers, o.UserAgent = *headers, "outrider/"+buildVersion()
		o.Waits = func(err error) { fmt.Fprintln(io.Err, printable("waiting: "+err.Error())) }
		sender, err := stock.NewSender(o)
		if err != nil {
			return err
		}
		defer sender.Close()
		p := progress{w: io.Err, last: time.Now()}
		return replay(ctx, io, stock.Replay{Send: sender.Send, Delete: *del, Step: p.step}, *paths, "delivered")
	})
}

func replay(ctx context.Context, io stdio, r stock.Replay, paths []string, did string) error {
	total, err := r.Run(ctx, paths)
	fmt.Fprintf(io.Out, "%d requests with %d samples %s", total.Requests, total.Samples, did)
	if total.Refused > 0 {
		fmt.Fprintf(io.Out, ", %d refused", total.Refused)
	}
	if total.Unreadable > 0 {
		fmt.Fprintf(io.Out, ", %d cannot be read", total.Unreadable)
	}
	fmt.Fprintln(io.Out)
	if err == nil && total.Refused+total.Unreadable > 0 {
		return exitError{code: exitFailure}
	}
	return err
}

// printStep shows one request.
func printStep(w io.Writer, s stock.Step) {
	if s.Done {
		fmt.Fprintln(w, printable(fmt.Sprintf("%s: %v", s.Source, s.Refused)))
		return
	}
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	line := fmt.Sprintf("%s: %d samples, %s to %s, %s", s.Source, s.Request.Samples, at(s.Request.MinMs), at(s.Request.MaxMs), s.Request.Message())
	if s.Request.Reason != "" {
		line += ", refused before: " + s.Request.Reason
	}
	fmt.Fprintln(w, printable(line))
}

// progress tells now and then how far a replay is, and of everything that goes wrong.
type progress struct {
	w                 io.Writer
	requests, samples int
	last              time.Time
}

const progressEvery = 2 * time.Second

func (p *progress) step(s stock.Step) {
	switch {
	case !s.Done:
		return
	case s.Refused != nil:
		printStep(p.w, s)
	default:
		p.requests++
		p.samples += s.Request.Samples
	}
	if now := time.Now(); now.Sub(p.last) >= progressEvery {
		fmt.Fprintf(p.w, "%d requests with %d samples so far\n", p.requests, p.samples)
		p.last = now
	}
}
