package faults

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"outrider/demo/internal/stack"
)

// killLanes are the configurations that share the kills.
var killLanes = []struct {
	name    string
	message string
	shards  int
}{
	{"1.0, 1 shard", stack.MessageV1, 1},
	{"2.0, 3 shards", stack.MessageV2, 3},
	{"1.0, 3 shards", stack.MessageV1, 3},
	{"2.0, 1 shard", stack.MessageV2, 1},
}

// runKills kills the sidecar at random moments while its receiver goes up and down, and wants
// every body that was served long enough before.
func runKills(ctx context.Context, b *bench) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
		sema = make(chan struct{}, 2) // at a time: the machine is to be busy, not choked
	)
	for i, lane := range killLanes {
		kills := b.Kills / len(killLanes)
		if i < b.Kills%len(killLanes) {
			kills++
		}
		if kills == 0 {
			continue
		}
		wg.Go(func() {
			sema <- struct{}{}
			defer func() { <-sema }()
			r, err := newRig(b.Outrider, filepath.Join(b.dir, fmt.Sprint(i)), setup{
				message: lane.message, shards: lane.shards, interval: 200 * time.Millisecond, timeout: time.Second,
				targets: 4, shape: shape{values: 250}, selfMetrics: true,
			})
			if err == nil {
				err = b.killLane(ctx, r, lane.name, kills, newRandom(b.Seed, uint64(i)))
				r.close()
			}
			if err != nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("%s: %w", lane.name, err))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (b *bench) killLane(ctx context.Context, r *rig, name string, kills int, rng *random) error {
	troubled, calm := context.WithCancel(ctx)
	var trouble sync.WaitGroup
	var troubleErr error
	trouble.Go(func() { troubleErr = r.sink.trouble(troubled, rng) })
	defer trouble.Wait()
	defer calm()

	for n := range kills {
		if err := r.launch(); err != nil {
			return err
		}
		span := rng.between(500*time.Millisecond, 2500*time.Millisecond)
		if rng.n(5) == 0 { // hardly begun, or not even that
			span = rng.between(5*time.Millisecond, 500*time.Millisecond)
		}
		sleep(ctx, span)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.kill(); err != nil {
			return err
		}
		if (n+1)%10 == 0 {
			b.say("%s: %d of %d kills, %d bodies served, receiver %s", name, n+1, kills, r.served(), r.sink.current())
		}
	}
	calm()
	trouble.Wait()
	if troubleErr != nil {
		return troubleErr
	}

	if err := r.start(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := r.flush(ctx, 2*time.Minute); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	drained := time.Since(began)
	if err := r.stop(ctx); err != nil {
		return err
	}

	l, events := account(r.targets, r.sink.book, r.ends), r.events()
	over := unexcused(r.sink.repeats, events)
	b.tell(name+": kills", "%s", countEvents(events))
	b.tell(name+": served", "%d bodies of %d series; %d of them more than %s before the end of a life", l.served, r.shape.series(), l.owed, margin)
	b.want(l.arrived == l.owed && l.owed > 0, name+": arrived of these", fmt.Sprint(l.owed), "%d", l.arrived)
	b.none(name+": lost", l.lost)
	b.none(name+": stored in part", l.torn)
	b.none(name+": stored under two times", l.twice)
	b.none(name+": repeated with other values", r.sink.changed)
	b.none(name+": out of order", r.sink.disorder)
	b.none(name+": not understood", r.sink.malformed)
	b.want(len(over) == 0, name+": requests repeated without a cause", "0", "%d (%d requests repeated, %d the causes allow; %d samples of %d)",
		len(over), len(r.sink.repeats), excused(events), r.sink.again, r.sink.samples)
	b.tell(name+": drained after the last kill", "%s", drained.Round(10*time.Millisecond))
	return nil
}
