package stock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"outrider/agent/remotewrite"
	"outrider/agent/spool"
)

// Replay sends what waits on disk by hand.
type Replay struct {
	// Send delivers a request; an error that is a remotewrite.RefusedError concerns that
	// request alone. Nil: nothing is sent.
	Send func(context.Context, remotewrite.Request) error
	// Delete takes away what was delivered.
	Delete bool
	// Step is told of each request before it is sent, and again after.
	Step func(Step)
}

// Step is one request of a replay.
type Step struct {
	Source  string // file, and for a spool the offset in it
	Request remotewrite.Request
	Done    bool
	Refused error // after it was sent; nil when it was delivered
}

// Totals is what came of a replay.
type Totals struct {
	Requests, Samples int // delivered, or without Send found
	Refused           int // requests
	Unreadable        int // requests or stretches
}

func (t *Totals) add(r remotewrite.Request) {
	t.Requests++
	t.Samples += r.Samples
}

// maxQuarantined is the largest file of a quarantine that is read.
const maxQuarantined = 64 << 20

// Run sends the files of a quarantine, and the spools, that paths name or that are below them,
// in the order of their names. A spool that a process works on is an error: both would send it.
// It ends with the first error that does not concern one request alone.
func (p Replay) Run(ctx context.Context, paths []string) (Totals, error) {
	var total Totals
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return total, fmt.Errorf("replay: %w", err)
		}
		files, dirs := []string{path}, []string(nil)
		if info.IsDir() {
			if dirs, err = spools(path); err != nil {
				return total, err
			}
			if files, err = quarantined(path); err != nil {
				return total, err
			}
		}
		if len(files)+len(dirs) == 0 {
			return total, fmt.Errorf("replay: neither a spool nor a file in quarantine (*%s) is in %s", remotewrite.QuarantineSuffix, path)
		}
		slices.SortFunc(dirs, olderFirst)
		for _, dir := range dirs {
			if err := p.spool(ctx, dir, &total); err != nil {
				return total, err
			}
		}
		for _, f := range files {
			if err := p.file(ctx, f, &total); err != nil {
				return total, err
			}
		}
	}
	return total, nil
}

// olderFirst puts the log of what is no longer fresh before the one that it came from.
func olderFirst(a, b string) int {
	const behind = "-behind"
	x, xIs := strings.CutSuffix(a, behind)
	y, yIs := strings.CutSuffix(b, behind)
	if x == y && xIs != yIs {
		if xIs {
			return -1
		}
		return 1
	}
	return strings.Compare(x, y)
}

func quarantined(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(name, remotewrite.QuarantineSuffix) {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for files in quarantine: %w", err)
	}
	return files, nil
}

// deliver sends one request. ok says that it was delivered, or would have been.
func (p Replay) deliver(ctx context.Context, source string, r remotewrite.Request, total *Totals) (ok bool, err error) {
	s := Step{Source: source, Request: r}
	p.Step(s)
	if p.Send == nil {
		total.add(r)
		return false, nil
	}
	err = p.Send(ctx, r)
	if refused := (*remotewrite.RefusedError)(nil); errors.As(err, &refused) {
		s.Refused = refused
		total.Refused++
		err = nil
	} else if err != nil {
		return false, fmt.Errorf("replay %s: %w", source, err)
	} else {
		total.add(r)
	}
	s.Done = true
	p.Step(s)
	return s.Refused == nil, nil
}

func (p Replay) file(ctx context.Context, name string, total *Totals) error {
	info, err := os.Stat(name)
	if err == nil && info.Size() > maxQuarantined {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxQuarantined)
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(name)
	}
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	r, err := remotewrite.ReadQuarantined(b)
	if err != nil {
		total.Unreadable++
		p.Step(Step{Source: name, Done: true, Refused: err})
		return nil
	}
	ok, err := p.deliver(ctx, name, r, total)
	if err != nil || !ok || !p.Delete {
		return err
	}
	if err := os.Remove(name); err != nil {
		return fmt.Errorf("delete what was delivered: %w", err)
	}
	return nil
}

func (p Replay) spool(ctx context.Context, dir string, total *Totals) error {
	if p.Send != nil && p.Delete {
		return p.empty(ctx, dir, total)
	}
	inUse := false
	o, err := spool.Walk(dir, func(e spool.Entry) error {
		switch {
		case inUse || !e.Waiting || e.Torn:
			return nil
		case e.Damage != "":
			total.Unreadable++
			p.Step(Step{Source: fmt.Sprintf("%s:%d", e.File, e.Offset), Done: true, Refused: errors.New(e.Damage)})
			return nil
		}
		if p.Send != nil && spool.InUse(dir) {
			inUse = true
			return nil
		}
		return p.record(ctx, fmt.Sprintf("%s:%d", e.File, e.Offset), e.Record, total, nil)
	})
	if err == nil && (inUse || p.Send != nil && o.InUse) {
		return fmt.Errorf("replay: spool %s is in use: a running sidecar sends it, stop that first", dir)
	}
	return err
}

// record sends a record of a spool, and calls took when it was delivered.
func (p Replay) record(ctx context.Context, source string, rec spool.Record, total *Totals, took func()) error {
	r, err := remotewrite.ReadSpooled(rec)
	if err != nil {
		total.Unreadable++
		p.Step(Step{Source: source, Done: true, Refused: err})
		return nil
	}
	ok, err := p.deliver(ctx, source, r, total)
	if err == nil && ok && took != nil {
		took()
	}
	return err
}

// empty sends a spool as a sidecar does, and takes away what was delivered. It ends at a
// request that is refused, since what comes behind it is not to be taken away before.
func (p Replay) empty(ctx context.Context, dir string, total *Totals) error {
	l, err := spool.Open(spool.Options{Dir: dir, Limits: spool.Limits{MaxBytes: 1 << 50}})
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer l.Close()
	for n := 0; ; n++ {
		rec, ok, err := l.TryPeek()
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		if !ok {
			break
		}
		took := false
		if err := p.record(ctx, fmt.Sprintf("%s, request %d", dir, n+1), rec, total, func() { l.Advance(); took = true }); err != nil {
			return err
		}
		if !took {
			return fmt.Errorf("replay: a request in %s was not delivered: it and what waits behind it stay there", dir)
		}
	}
	total.Unreadable += int(l.Stats().Dropped[spool.Damaged].Records)
	return nil
}
