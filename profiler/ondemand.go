package profiler

import (
	"context"
	"slices"
	"strings"
	"time"

	"outrider/telemetry"
)

// Capture takes one profile now and returns it as the service sent it, as a gzipped
// pprof protobuf, with the target it was taken of. Cumulative types are not made deltas,
// and the scheduled captures are not disturbed: a CPU profile waits for its turn.
//
// A target is named by "service/instance", or by instance, service or job where one of
// these means a single target; the name may be empty if there is only one. Seconds are for
// types that record over a time; 0 stands for the configured duration.
//
// The error is an [UnknownTargetError], [AmbiguousTargetError], [UnknownTypeError],
// [SecondsError], [ErrBusy], the error of ctx, or says what the service did instead.
func (m *Manager) Capture(ctx context.Context, targetName, typeName string, seconds int) ([]byte, *telemetry.Target, error) {
	s := lookup(typeName)
	if s == nil {
		return nil, nil, &UnknownTypeError{typeName, typeNames()}
	}
	t, err := find(m.sorted(), targetName)
	if err != nil {
		return nil, nil, err
	}
	p := t.job.Config.plan(s)
	switch longest := int(maxDuration / time.Second); {
	case s.duration == 0 && seconds != 0:
		return nil, nil, &SecondsError{Type: s.name, Seconds: seconds}
	case seconds < 0 || seconds > longest:
		return nil, nil, &SecondsError{Type: s.name, Seconds: seconds, Max: longest}
	case seconds > 0:
		p.duration = time.Duration(seconds) * time.Second
	}
	data, err := m.captureNow(ctx, t, s, p)
	if err != nil && ctx.Err() == nil {
		m.metrics.failures.WithLabelValues(t.Job, s.name, reasonOf(err)).Inc()
	}
	return data, t.Target, err
}

func (m *Manager) captureNow(ctx context.Context, t *target, s *spec, p plan) ([]byte, error) {
	a, err := m.take(ctx, t, s, p.duration, p.timeout)
	if err != nil {
		return nil, err
	}
	release, err := m.parser.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	d, err := decode(a.body, s.sampleTypes)
	if err != nil {
		return nil, err
	}
	m.opts.Logger.Info("profile captured on demand", "target", t.Name(), "type", s.name, "bytes", len(d.data))
	return d.data, nil
}

// find returns the target that people call name. The most exact meaning of a name wins.
func find(targets []*target, name string) (*target, error) {
	meanings := []func(*target) bool{
		func(t *target) bool { return t.Name() == name },
		func(t *target) bool { return t.Instance() == name },
		func(t *target) bool { return t.Service() == name },
		func(t *target) bool { return t.Labels.Get("job") == name },
		func(t *target) bool { return t.Job == name },
		func(*target) bool { return name == "" },
	}
	for _, means := range meanings {
		var matches []*target
		for _, t := range targets {
			// Two jobs may profile one process: then either will do.
			same := slices.ContainsFunc(matches, func(o *target) bool { return o.arbiter == t.arbiter })
			if means(t) && !same {
				matches = append(matches, t)
			}
		}
		switch len(matches) {
		case 0:
		case 1:
			return matches[0], nil
		default:
			return nil, &AmbiguousTargetError{name, names(matches)}
		}
	}
	return nil, &UnknownTargetError{name, names(targets)}
}

// names lists targets, with the URL of those that a name alone does not tell apart.
func names(targets []*target) []string {
	count := map[string]int{}
	for _, t := range targets {
		count[t.Name()]++
	}
	list := make([]string, 0, len(targets))
	for _, t := range targets {
		name := t.Name()
		if count[name] > 1 {
			name += " (" + t.URL.Redacted() + ")"
		}
		list = append(list, name)
	}
	slices.SortFunc(list, strings.Compare)
	return slices.Compact(list)
}
