package faults

import (
	"context"
	"fmt"
	"sort"
	"time"

	"outrider/demo/internal/stack"
)

// countScrapes compares count_over_time(up) with what the target was asked for, over windows
// that end between each two scrapes.
func (b *bench) countScrapes(ctx context.Context, r *rig, prom *stack.Prometheus, name string, window time.Duration) error {
	target := r.targets[0]
	asked := target.Asked()
	matrix, err := prom.Samples(ctx, fmt.Sprintf(`up{job="campaign",target=%q}[1h]`, target.name))
	if err != nil {
		return err
	}
	if len(matrix) != 1 {
		return fmt.Errorf("%d series of up, want one", len(matrix))
	}
	var stamps []time.Time
	failed := map[time.Time]bool{}
	for _, s := range matrix[0].Values {
		at := s.Timestamp.Time()
		stamps = append(stamps, at)
		if s.Value == 0 {
			failed[at] = true
		}
	}
	checks, unclear, wrong := 0, 0, violations{}
	for i := len(asked) - 2; i >= 0; i-- {
		end := asked[i].Add(asked[i+1].Sub(asked[i]) / 2)
		begin := end.Add(-window)
		if begin.Before(asked[0].Add(-r.interval)) {
			break
		}
		if !between(stamps, asked, begin) || !between(stamps, asked, end) {
			unclear++
			continue
		}
		want, may := 0, 0
		for _, t := range asked {
			if t.After(begin) && !t.After(end) {
				want++
			}
		}
		for t := range failed { // of these the target may know nothing
			if t.After(begin) && !t.After(end) {
				may++
			}
		}
		v, err := prom.QueryAt(ctx, fmt.Sprintf(`count_over_time(up{job="campaign",target=%q}[%dms])`, target.name, window.Milliseconds()), end)
		if err != nil {
			return err
		}
		if len(v) != 1 || int(v[0].Value) < want || int(v[0].Value) > want+may {
			wrong.add("%v at %s, the target counts %d, %d failed", v, end.Format(time.TimeOnly), want, may)
		}
		checks++
	}
	b.want(checks > 0 && wrong.n == 0 && unclear <= checks, fmt.Sprintf("%s: count_over_time(up[%s]) is the count of the target", name, window), "always",
		"at %d of %d moments, %d more fell on a scrape %v", checks-wrong.n, checks, unclear, wrong.first)
	return nil
}

// between says whether a moment is clearly between two scrapes for both sides: none begins or
// comes to the target near it, and none is on its way, as on a busy machine for some time.
func between(stamps, asked []time.Time, at time.Time) bool {
	const near = 100 * time.Millisecond
	i := sort.Search(len(stamps), func(i int) bool { return stamps[i].After(at) })
	j := sort.Search(len(asked), func(j int) bool { return asked[j].After(at) })
	if i < len(stamps) && stamps[i].Sub(at) < near || j < len(asked) && asked[j].Sub(at) < near {
		return false
	}
	if i == 0 || j == 0 {
		return i == j
	}
	// The last scrape that began before is the last that came before.
	delay := asked[j-1].Sub(stamps[i-1])
	return at.Sub(stamps[i-1]) > near && at.Sub(asked[j-1]) > near && delay > -near && delay < 2*near
}
