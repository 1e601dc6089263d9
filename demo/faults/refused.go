package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// runRefused has the receiver answer 401 for ten minutes, and wants few requests meanwhile and
// everything afterwards.
func runRefused(ctx context.Context, b *bench) error {
	return inTurn(2).each(len(protocols), func(i int) error {
		p := protocols[i]
		shards := []int{1, 3}[i] // the rate is one of the endpoint, however many send
		return b.withRig(p.name, setup{
			message: p.message, shards: shards, interval: time.Second, targets: 3, shape: shape{values: 50}, selfMetrics: true,
		}, func(r *rig) error {
			return b.refused(ctx, r, fmt.Sprintf("%s, %d shards", p.name, shards), shards)
		})
	})
}

func (b *bench) refused(ctx context.Context, r *rig, name string, shards int) error {
	r.sink.keepCalls = true
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := until(ctx, 20*time.Second, func() error { return r.arrived(2) }); err != nil {
		return err
	}
	span := b.span(10*time.Minute, 20*time.Second)
	r.sink.reply(func(request) reply { return reply{status: 401, body: "token has expired"} })
	began := time.Now()
	sleep(ctx, min(5*time.Second, span/2))
	metrics, err := r.sidecar.Metrics(ctx)
	if err != nil {
		return err
	}
	gauge := ""
	for series, v := range metrics {
		if strings.HasPrefix(series, "outrider_remote_write_misconfigured{") && v == 1 {
			gauge = series
		}
	}
	b.want(strings.Contains(gauge, "401"), name+": gauge meanwhile", "the reason", "%s", gauge)
	sleep(ctx, span-time.Since(began))
	r.sink.reply(nil)
	over, owed := time.Now(), r.counts()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}

	var refused []time.Time
	for _, c := range r.sink.Calls() {
		if c.status == 401 {
			refused = append(refused, c.arrived)
		}
	}
	if len(refused) == 0 {
		return errors.New("nothing was refused")
	}
	// One from each of several shards may be under way before any of them knows.
	tries := refused
	if shards > 1 {
		for len(tries) > 0 && tries[0].Sub(refused[0]) < time.Second {
			tries = tries[1:]
		}
		b.want(len(refused)-len(tries) <= shards, name+": requests under way when it began", fmt.Sprint("at most ", shards), "%d", len(refused)-len(tries))
	}
	b.want(mostInAMinute(tries) <= 2, name+": most requests in any minute", "at most 2", "%d (%d in %s)",
		mostInAMinute(tries), len(tries), span)
	// The sidecar tries again when its own wait is over; nothing tells it that it may.
	if err := until(ctx, 90*time.Second, func() error { return r.caughtUp(owed) }); err != nil {
		return err
	}
	b.tell(name+": all that waited had arrived", "%s after the last 401 was due", time.Since(over).Round(100*time.Millisecond))
	if err := r.drain(ctx); err != nil {
		return err
	}
	b.books(name, r)
	return nil
}

// mostInAMinute is the largest number of moments that lie within 60 s of each other.
func mostInAMinute(times []time.Time) int {
	most := 0
	for i, from := range times {
		n := 0
		for _, t := range times[i:] {
			if t.Sub(from) < time.Minute {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
