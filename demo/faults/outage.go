package faults

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// runOutage takes the receiver away for ten minutes, and wants every scrape.
func runOutage(ctx context.Context, b *bench) error {
	how := []struct {
		name string
		mode mode
	}{
		{"nobody listens", modeDown},
		{"no answer", modeMute},
	}
	return inTurn(2).each(len(protocols), func(i int) error {
		p := protocols[i]
		return b.withRig(p.name, setup{
			message: p.message, interval: time.Second, targets: 1, shape: shape{values: 1000},
		}, func(r *rig) error {
			return b.outage(ctx, r, p.name+", "+how[i].name, how[i].mode)
		})
	})
}

func (b *bench) outage(ctx context.Context, r *rig, name string, m mode) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := until(ctx, 20*time.Second, func() error { return r.arrived(2) }); err != nil {
		return err
	}
	if err := r.sink.set(m); err != nil {
		return err
	}
	span, before := b.span(10*time.Minute, 20*time.Second), r.served()
	for left := span; left > 0 && ctx.Err() == nil; left -= time.Minute {
		sleep(ctx, min(left, time.Minute))
		b.say("%s: %d scrapes since the receiver has gone", name, r.served()-before)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	during := r.served() - before
	least := int(span/r.interval) - 2
	b.want(during >= least, name+": scrapes while it was away", fmt.Sprintf("at least %d", least), "%d in %s", during, span)

	stored := r.sink.bodies(r.targets[0].name)
	if err := r.sink.set(modeUp); err != nil {
		return err
	}
	up, owed, first := time.Now(), r.counts(), time.Time{}
	// The longest wait between two tries is 30 s, and some more.
	if err := until(ctx, 90*time.Second, func() error {
		if first.IsZero() && r.sink.bodies(r.targets[0].name) > stored {
			first = time.Now()
		}
		return r.caughtUp(owed)
	}); err != nil {
		return errors.Join(err, b.lostSoFar(r))
	}
	b.tell(name+": drained", "%s after the receiver was back: %s until it was tried, then %s",
		time.Since(up).Round(100*time.Millisecond), first.Sub(up).Round(100*time.Millisecond), time.Since(first).Round(100*time.Millisecond))
	if err := r.drain(ctx); err != nil {
		return err
	}
	b.books(name, r)
	return nil
}

// lostSoFar adds to an error what the sidecar says that it has given up.
func (b *bench) lostSoFar(r *rig) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	lost, err := r.sidecar.Lost(ctx)
	if err != nil {
		return err
	}
	return fmt.Errorf("the sidecar has given up: %v; logs in %s", lost, r.dir)
}
