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

	// The window ends half-way between two scrapes, so that what takes a few milliseconds
	// between the stamp of a scrape and its arrival at the target does not matter.
	log, target := r.targets[0].Log(), r.targets[0]
	checks, wrong := 0, violations{}
	for i := len(log) - 2; i >= 0; i-- {
		end := log[i].Began.Add(log[i+1].Began.Sub(log[i].Began) / 2)
		begin := end.Add(-window)
		if begin.Before(log[0].Began.Add(-time.Second)) {
			break
		}
		if log[i+1].Began.Sub(log[i].Began) < r.interval*8/10 { // the flush scrapes out of turn
			continue
		}
		want := 0
		for _, s := range log {
			if s.Began.After(begin) && !s.Began.After(end) {
				want++
			}
		}
		query := fmt.Sprintf(`count_over_time(up{job="campaign",target=%q}[%dms])`, target.name, window.Milliseconds())
		v, err := prom.QueryAt(ctx, query, end)
		if err != nil {
			return err
		}
		if len(v) != 1 || float64(v[0].Value) != float64(want) {
			wrong.add("%v at %s, the target counts %d", v, end.Format(time.TimeOnly), want)
		}
		checks++
	}
	b.want(checks > 0 && wrong.n == 0, fmt.Sprintf("%s: count_over_time(up[%s]) is the count of the target", name, window), "always",
		"at %d of %d moments %v", checks-wrong.n, checks, wrong.first)
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
	b.want(missing.n == 0, name+": bodies", fmt.Sprintf("%d", len(log)), "%d %v", len(log)-missing.n, missing.first)
	rejects, err := prom.Rejects(ctx)
	if err != nil {
		return err
	}
	b.want(len(rejects) == 0, name+": refused by Prometheus", "0", "%d %v", len(rejects), rejects)
	return nil
}
