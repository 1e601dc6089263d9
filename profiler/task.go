package profiler

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"outrider/agent/backoff"
	"outrider/telemetry"
)

// task takes one profile type of one target at its period.
type task struct {
	manager *Manager
	target  *target
	spec    *spec
	plan    plan
	offset  time.Duration // of its ticks, within the period
	watched time.Time     // since when the type is taken of the target

	prev *past // owned by run

	mu     sync.Mutex
	status telemetry.ProfileStatus
}

// inherit takes over what the task of the same type, which has ended, knew.
func (k *task) inherit(old []*task) {
	for _, o := range old {
		if o.spec == k.spec {
			k.prev, k.watched, k.status = o.prev, o.watched, o.snapshot()
			k.status.Period = k.plan.period
		}
	}
}

func (k *task) snapshot() telemetry.ProfileStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

// run captures at each tick until ctx is done. A capture that takes longer than the period
// costs the ticks it covers.
func (k *task) run(ctx context.Context) {
	next := firstTick(time.Now(), k.plan.period, k.offset)
	for backoff.Sleep(ctx, time.Until(next)) == nil {
		k.capture(ctx)
		next = next.Add(k.plan.period)
		if late := time.Since(next); late > 0 {
			missed := late/k.plan.period + 1
			next = next.Add(missed * k.plan.period)
			k.manager.metrics.skipped.WithLabelValues(k.target.Job, k.spec.name).Add(float64(missed))
		}
	}
}

// capture takes a profile, sends what is due of it, and writes down how that went.
func (k *task) capture(ctx context.Context) {
	m := k.manager
	status, err := k.attempt(ctx)
	if err != nil && ctx.Err() != nil {
		return // we were stopped; the service is not to blame
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		reason := reasonOf(err)
		k.status.LastError = err.Error()
		m.metrics.failures.WithLabelValues(k.target.Job, k.spec.name, reason).Inc()
		m.opts.Logger.Warn("profile capture failed", "target", k.target.Name(), "type", k.spec.name, "reason", reason, "err", err)
		return
	}
	k.status = status
	m.metrics.lastSuccess.WithLabelValues(k.target.Job, k.spec.name).Set(float64(status.LastCapture.UnixMilli()) / 1000)
}

// attempt does one capture from the request to the sink.
func (k *task) attempt(ctx context.Context) (telemetry.ProfileStatus, error) {
	m := k.manager
	var status telemetry.ProfileStatus
	a, err := m.take(ctx, k.target, k.spec, k.plan.duration, k.plan.timeout)
	if err != nil {
		return status, err
	}
	ship, err := k.digest(ctx, a)
	if err != nil {
		return status, err
	}
	if ship.profile == nil {
		m.metrics.withheld.WithLabelValues(k.target.Job, k.spec.name, ship.withheld).Inc()
	} else if err := m.opts.Sink(ship.profile); err != nil {
		return status, failf(reasonSink, "hand on profile: %w", err)
	}
	if ship.next != nil {
		k.prev = ship.next
	}
	m.opts.Logger.Debug("profile captured", "target", k.target.Name(), "type", k.spec.name,
		"bytes", len(a.body), "sent", ship.verdict, "withheld", ship.withheld)
	return telemetry.ProfileStatus{
		Target: k.target.Target, Type: k.spec.name, Period: k.plan.period,
		LastCapture: a.end, Duration: a.end.Sub(a.begin), Bytes: len(a.body),
	}, nil
}

// digest decides what is sent of an answer.
func (k *task) digest(ctx context.Context, a *answer) (*shipment, error) {
	release, err := k.manager.parser.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	d, err := decode(a.body, k.spec.sampleTypes)
	if err != nil {
		return nil, err
	}
	var start time.Time
	if life := k.manager.opts.Life; life != nil {
		if t, ok := life(k.target.Target); ok {
			start = t
		}
	}
	return prepare(k.spec, k.target.Target, k.prev, &captured{d, a.begin, a.end}, start, k.watched), nil
}

// answer is what a target sent for a profile, not yet looked into.
type answer struct {
	body       []byte
	begin, end time.Time
}

// busyTries bounds how often a CPU profiler that somebody else holds is asked for.
const busyTries = 3

// take asks a target for a profile, in its turn. It is the only way to a target.
func (m *Manager) take(ctx context.Context, t *target, s *spec, duration, timeout time.Duration) (*answer, error) {
	if s.exclusive {
		release, err := t.arbiter.acquire(ctx)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	m.metrics.captures.WithLabelValues(t.Job, s.name).Inc()
	wait := backoff.Backoff{Min: 2 * time.Second, Max: 8 * time.Second}
	for try := 1; ; try++ {
		begin := time.Now()
		body, err := fetch(ctx, t.job.client, t.URL, s.path, duration, timeout)
		if err == nil {
			end := time.Now()
			m.metrics.duration.WithLabelValues(s.name).Observe(end.Sub(begin).Seconds())
			m.metrics.bytes.WithLabelValues(t.Job, s.name).Add(float64(len(body)))
			return &answer{body, begin, end}, nil
		}
		if !errors.Is(err, ErrBusy) || try == busyTries || backoff.Sleep(ctx, wait.Next()) != nil {
			return nil, err
		}
	}
}

// spread gives each type of a target its own place in the period: targets differ by hash,
// and the types of one target are as far apart as they can be, so that snapshots seldom
// fall into a CPU profile and show up in it.
func spread(key string, rank, ranks int, period time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	base := time.Duration(h.Sum64() % uint64(period))
	return (base + period*time.Duration(rank)/time.Duration(ranks)) % period
}

// firstTick returns the first time after now that is offset past a multiple of the period
// since the epoch, so that a restart of the sidecar does not move the ticks.
func firstTick(now time.Time, period, offset time.Duration) time.Time {
	into := (time.Duration(now.UnixNano()) - offset) % period
	if into < 0 {
		into += period
	}
	return now.Add(period - into)
}
