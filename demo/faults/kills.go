package faults

import (
	"context"
	"fmt"
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
	return inTurn(2).each(len(killLanes), func(i int) error { // the machine is to be busy, not choked
		lane := killLanes[i]
		kills := b.Kills / len(killLanes)
		if i < b.Kills%len(killLanes) {
			kills++
		}
		if kills == 0 {
			return nil
		}
		return b.withRig(fmt.Sprint(i), setup{
			message: lane.message, shards: lane.shards, interval: time.Second, timeout: time.Second,
			targets: 32, shape: shape{values: 120}, selfMetrics: true,
		}, func(r *rig) error { return b.killLane(ctx, r, lane.name, kills, newRandom(b.Seed, uint64(i))) })
	})
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
	if err := r.drain(ctx); err != nil {
		return err
	}
	drained := time.Since(began)

	b.tell(name+": kills", "%s", countEvents(r.events()))
	b.books(name, r)
	b.tell(name+": drained after the last kill", "%s", drained.Round(10*time.Millisecond))
	return nil
}
