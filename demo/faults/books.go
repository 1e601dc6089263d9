package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"outrider/demo/internal/stack"
)

// protocols are the two messages, for cases that try both.
var protocols = []struct{ name, message string }{
	{"1.0", stack.MessageV1},
	{"2.0", stack.MessageV2},
}

// books notes what the targets of a rig served and what its receiver has of it.
func (b *bench) books(name string, r *rig) *ledger {
	l, events := account(r.targets, r.sink.book, r.ends), r.events()
	over := unexcused(r.sink.repeats, events)
	b.tell(name+": served", "%d bodies of %d series; %d of them more than %s before the end of a life", l.served, r.shape.series(), l.owed, margin)
	b.leftOut(name, l)
	b.want(l.arrived == l.owed && l.owed > 0, name+": arrived of these", fmt.Sprint(l.owed), "%d", l.arrived)
	if l.lost.n > 0 {
		b.none(name+": lost", l.lost)
		r.writeLost(l)
	}
	b.wrong(name, l, r.sink)
	b.want(len(over) == 0, name+": requests repeated without a cause", "0", "%d (%d repeated, %d allowed; %d samples of %d)",
		len(over), len(r.sink.repeats), excused(events), r.sink.again, r.sink.samples)
	return l
}

// writeLost puts what was lost beside the logs, for people who look for the reason.
func (r *rig) writeLost(l *ledger) {
	var text strings.Builder
	for _, s := range l.lostList {
		at := func(t time.Time) string { return t.UTC().Format("15:04:05.000") }
		fmt.Fprintf(&text, "%s body %d, asked for by life %d, began %s, served %s, life ended %s\n", s.target, s.N, s.Life, at(s.Began), at(s.Ended), at(s.end))
	}
	_ = os.WriteFile(filepath.Join(r.dir, "lost.txt"), []byte(text.String()), 0o644) // the table tells as well
}

// wrong notes what a receiver must never see.
func (b *bench) wrong(name string, l *ledger, s *sink) {
	var all violations
	for _, v := range []struct {
		what string
		v    violations
	}{
		{"in part", l.torn}, {"under two times", l.twice}, {"never served", l.unknown},
		{"with another value", s.changed}, {"out of order", s.disorder}, {"not understood", s.malformed},
	} {
		for _, example := range v.v.first {
			all.add("%s: %s", v.what, example)
		}
		all.n += v.v.n - len(v.v.first)
	}
	b.none(name+": in part, under two times, changed, out of order, malformed", all)
}

// leftOut notes bodies that are left out of the books because the machine had no time for the
// sidecar: between them and a kill, or while it waited for them, so that it reported the scrape
// as failed. Where that is more than a few, the numbers mean nothing.
func (b *bench) leftOut(name string, l *ledger) {
	if n := l.starved + l.failed; n > 0 {
		b.want(n*50 <= l.served, name+": left out, as the machine was too busy", "at most 2 %",
			"%d of %d (%d: no time before the end; %d: reported as failed with up 0)", n, l.served, l.starved, l.failed)
	}
}

// inTurn is how many rigs of a case may run at a time.
type inTurn int

// each runs a function for each of n rigs, and joins the errors.
func (most inTurn) each(n int, run func(i int) error) error {
	var (
		wg   sync.WaitGroup
		errs = make([]error, n)
		sema = make(chan struct{}, most)
	)
	for i := range n {
		wg.Go(func() {
			sema <- struct{}{}
			defer func() { <-sema }()
			errs[i] = run(i)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// withRig runs a function with a rig in a folder of the case.
func (b *bench) withRig(name string, s setup, run func(*rig) error) error {
	r, err := newRig(b.Outrider, filepath.Join(b.dir, name), s)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer r.close()
	if err := run(r); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// span is a time of the full campaign, or of the short one.
func (b *bench) span(full, short time.Duration) time.Duration {
	if b.Short {
		return short
	}
	return full
}

// until waits until probe returns nil, at most for so long.
func until(ctx context.Context, most time.Duration, probe func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("not after %s", most))
	defer cancel()
	return stack.Eventually(ctx, func(context.Context) error { return probe() })
}

// arrived is nil when so many bodies of each target were stored.
func (r *rig) arrived(n int) error {
	for _, t := range r.targets {
		if got := r.sink.bodies(t.name); got < n {
			return fmt.Errorf("%d bodies of %s arrived, want %d", got, t.name, n)
		}
	}
	return nil
}

// caughtUp is nil when as many bodies of each target were stored as it had served.
func (r *rig) caughtUp(served map[string]int) error {
	for _, t := range r.targets {
		if got := r.sink.bodies(t.name); got < served[t.name] {
			return fmt.Errorf("%d bodies of %s arrived, want %d", got, t.name, served[t.name])
		}
	}
	return nil
}

// counts is how many bodies each target has served.
func (r *rig) counts() map[string]int {
	out := map[string]int{}
	for _, t := range r.targets {
		out[t.name] = t.Count()
	}
	return out
}
