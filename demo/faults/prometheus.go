package faults

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"outrider/demo/internal/stack"
)

// runPrometheus writes to a real Prometheus for ten minutes over each protocol, and wants that
// it refused nothing and counts as many scrapes as the target.
func runPrometheus(ctx context.Context, b *bench) error {
	return inTurn(2).each(len(protocols), func(i int) error {
		p := protocols[i]
		dir := filepath.Join(b.dir, p.name)
		prom, err := b.prometheus(ctx, b.Prometheus, dir, 0)
		if err != nil {
			return err
		}
		defer prom.Kill()
		return b.withRig(p.name, setup{
			message: p.message, interval: time.Second, targets: 1, shape: shape{values: 300}, selfMetrics: true,
			writeURL: prom.WriteURL(),
		}, func(r *rig) error { return b.writeToPrometheus(ctx, r, prom, p.name) })
	})
}

// prometheus starts a server on a free port.
func (b *bench) prometheus(ctx context.Context, binary, dir string, outOfOrder time.Duration) (*stack.Prometheus, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("not ready after a minute"))
	defer cancel()
	return stack.StartPrometheus(ctx, stack.PrometheusOptions{
		Binary: binary, Dir: filepath.Join(dir, "prometheus"), Address: address, LogDir: dir, OutOfOrder: outOfOrder,
		// Its own metrics keep its newest time at now, whatever we write.
		ScrapeConfigs: "  - job_name: self\n    static_configs: [{targets: [\"" + address + "\"]}]\n",
	})
}

func (b *bench) writeToPrometheus(ctx context.Context, r *rig, prom *stack.Prometheus, name string) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	span, window := b.span(10*time.Minute, 64*time.Second), b.span(5*time.Minute, time.Minute)
	for left := span; left > 0 && ctx.Err() == nil; left -= time.Minute {
		sleep(ctx, min(left, time.Minute))
		b.say("%s: %d scrapes", name, r.served())
	}
	if err := r.flush(ctx, 30*time.Second); err != nil {
		return err
	}

	target := r.targets[0]
	if err := b.countScrapes(ctx, r, prom, name, window); err != nil {
		return err
	}
	if err := r.stop(ctx); err != nil {
		return err
	}

	matrix, err := prom.Samples(ctx, fmt.Sprintf(`%s{target=%q}[1h]`, seriesBody, target.name))
	if err != nil {
		return err
	}
	have := map[int]bool{}
	for _, series := range matrix {
		for _, s := range series.Values {
			if n, ok := bodyNumber(math.Float64bits(float64(s.Value))); ok {
				have[n] = true
			}
		}
	}
	log := target.Log()
	var missing violations
	for _, s := range log {
		if !have[s.N] {
			missing.add("body %d", s.N)
		}
	}
	head, err := prom.Head(ctx)
	if err != nil {
		return err
	}
	b.tell(name+": took", "%.0f samples of %.0f series, its own included, in %s", head.Samples, head.Series, span)
	failed, err := prom.Scalar(ctx, fmt.Sprintf(`count_over_time((up{target=%q} == 0)[1h:1s])`, target.name))
	if err != nil {
		return err
	}
	if failed > 0 {
		b.want(failed*50 <= float64(len(log)), name+": scrapes that the sidecar reports as failed, as the machine was too busy", "at most 2 %", "%.0f of %d", failed, len(log))
	}
	b.want(missing.n <= int(failed), name+": bodies", fmt.Sprintf("%d, but for those of failed scrapes", len(log)), "%d %v", len(log)-missing.n, missing.first)
	rejects, err := prom.Rejects(ctx)
	if err != nil {
		return err
	}
	b.want(len(rejects) == 0, name+": refused by Prometheus", "0", "%d %v", len(rejects), rejects)
	return nil
}
