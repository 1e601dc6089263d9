package faults

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"outrider/demo/internal/stack"
)

// deaf answers as a receiver does that does not know 2.0: 204, and nothing is stored.
func deaf(r request) reply {
	if r.v2 {
		return reply{status: http.StatusNoContent, noWritten: true}
	}
	return taken(r)
}

// runDeaf puts a receiver that does not know remote write 2.0, and does not say so, behind a
// sidecar that sends it: from the start, and in the place of one that did know it.
func runDeaf(ctx context.Context, b *bench) error {
	names := []string{"from the start", "later, with a backlog"}
	return inTurn(2).each(2, func(i int) error {
		return b.withRig(fmt.Sprint(i), setup{
			message: stack.MessageV2, interval: 500 * time.Millisecond, targets: 4, shape: shape{values: 100}, selfMetrics: true,
		}, func(r *rig) error {
			r.sink.keepCalls = true
			if i == 0 {
				r.sink.reply(deaf)
			}
			if err := r.start(ctx); err != nil {
				return err
			}
			if err := until(ctx, 20*time.Second, func() error { return r.arrived(4) }); err != nil {
				return err
			}
			if i == 1 {
				if err := r.sink.set(modeDown); err != nil {
					return err
				}
				sleep(ctx, 4*time.Second)
				r.sink.reply(deaf)
				if err := r.sink.set(modeUp); err != nil {
					return err
				}
			}
			sleep(ctx, 3*time.Second)
			if err := r.drain(ctx); err != nil {
				return err
			}
			vain, v1, v2 := 0, 0, 0
			for _, c := range r.sink.Calls() {
				switch {
				case !c.v2:
					v1++
				case c.stored > 0:
					v2++
				default:
					vain++
				}
			}
			b.tell(names[i]+": requests", "%d of 2.0 stored, %d of 2.0 in vain, %d of 1.0", v2, vain, v1)
			b.want(vain > 0 && v1 > 0, names[i]+": went over to 1.0", "yes", "%v", vain > 0 && v1 > 0)
			b.books(names[i], r)
			return nil
		})
	})
}
