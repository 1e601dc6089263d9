package scrape

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"outrider/telemetry"
)

// Options are what a Manager is built from.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil: no metrics
	// Sink is given every scrape, from the loop of its target: several at once when there
	// are several targets, never two of one target at once.
	Sink      telemetry.Sink
	UserAgent string
	// Instance tells this sidecar from others. It decides at which point of their interval
	// targets are scraped: all targets together, those of different sidecars spread.
	Instance string
}

// Job is the configuration that the targets of one job share. All of it must be resolved:
// nothing is taken from defaults here.
type Job struct {
	Name   string
	Config Config
	// Gatherer, if set, is read in place of a request. Of Config only what is about time
	// and samples is used then. It must be safe for concurrent use and not block.
	Gatherer prometheus.Gatherer
}

// Manager runs one loop for each target. Make one with New.
type Manager struct {
	logger    *slog.Logger
	metrics   *metrics
	sink      telemetry.Sink
	userAgent string
	place     uint64
	turns     turns
	now       func() time.Time

	// applying is held by whoever starts or stops loops, for as long as that takes.
	applying sync.Mutex
	jobs     map[string]Job   // by name, as applied last
	ended    map[string]int64 // by target labels: markers that loops left and no sample may precede

	mu      sync.Mutex       // for what follows; changes need applying too
	loops   map[string]*loop // by target key
	running context.Context  // of Run; nil when it does not run
}

// New makes a Manager without targets.
func New(opts Options) *Manager {
	place := fnv.New64a()
	_, _ = place.Write([]byte(opts.Instance))
	return &Manager{
		logger:    opts.Logger,
		metrics:   newMetrics(opts.Registerer),
		sink:      opts.Sink,
		userAgent: opts.UserAgent,
		place:     place.Sum64(),
		turns:     newTurns(),
		now:       time.Now,
		jobs:      map[string]Job{},
		ended:     map[string]int64{},
		loops:     map[string]*loop{},
	}
}

// Check says whether Apply would take the jobs, and changes nothing.
func (m *Manager) Check(jobs []Job) error {
	m.applying.Lock()
	defer m.applying.Unlock()
	for _, job := range jobs {
		if err := m.check(&job); err != nil {
			return fmt.Errorf("job %q: %w", job.Name, err)
		}
	}
	return nil
}

// Apply sets the jobs and, by job name, their targets; it replaces all former ones. Targets
// of unknown jobs are ignored. Loops of targets that stay go on undisturbed; if only their
// configuration changed they use the new one from their next scrape on and keep what they
// know. Loops of targets that are gone have ended, and left their markers, when Apply
// returns. It may be called before and during Run. On an error nothing has changed.
func (m *Manager) Apply(jobs []Job, targets map[string][]*telemetry.Target) error {
	m.applying.Lock()
	defer m.applying.Unlock()
	plan, err := m.plan(jobs, targets)
	if err != nil {
		return err
	}
	m.endLoops(func(key string) bool { return plan[key] == nil })
	m.announce(jobs, plan)

	m.mu.Lock()
	defer m.mu.Unlock()
	for key, set := range plan {
		switch l := m.loops[key]; {
		case l == nil:
			l = m.newLoop(set, m.ended[set.target.Labels.String()])
			m.loops[key] = l
			m.start(l)
		case l.applied != set:
			l.update(set)
		}
	}
	return nil
}

// plan makes the settings of all targets by their keys; those that would not change are the
// ones in use.
func (m *Manager) plan(jobs []Job, targets map[string][]*telemetry.Target) (map[string]*settings, error) {
	plan := map[string]*settings{}
	for _, job := range jobs {
		if err := m.check(&job); err != nil {
			return nil, fmt.Errorf("job %q: %w", job.Name, err)
		}
		for _, t := range targets[job.Name] {
			key := t.Key()
			var old *settings
			if l := m.loops[key]; l != nil {
				old = l.applied
			}
			if old != nil && old.target == t && old.job.same(&job) {
				plan[key] = old
				continue
			}
			set, err := newSettings(t, job, old, m.userAgent, m.logger)
			if err != nil {
				return nil, fmt.Errorf("job %q: %w", job.Name, err)
			}
			plan[key] = set
		}
	}
	return plan, nil
}

// check finds what is wrong with a job, even if it has no targets yet.
func (m *Manager) check(job *Job) error {
	if former, ok := m.jobs[job.Name]; ok && former.same(job) {
		return nil
	}
	if err := job.Config.Validate(); err != nil {
		return err
	}
	if job.Gatherer != nil {
		return nil
	}
	_, err := newClient(job, m.userAgent)
	return err
}

// announce keeps the metrics to the jobs that there are.
func (m *Manager) announce(jobs []Job, plan map[string]*settings) {
	former := m.jobs
	m.jobs = map[string]Job{}
	for _, job := range jobs {
		m.jobs[job.Name] = job
		m.metrics.start(job.Name)
		n := 0
		for _, set := range plan {
			if set.job.Name == job.Name {
				n++
			}
		}
		m.metrics.targets.WithLabelValues(job.Name).Set(float64(n))
	}
	for name := range former {
		if _, ok := m.jobs[name]; !ok {
			m.metrics.forget(name)
		}
	}
}

// start runs a loop if the manager runs. Call it with both locks held.
func (m *Manager) start(l *loop) {
	if m.running == nil {
		return
	}
	ctx, cancel := context.WithCancel(m.running)
	l.stop = cancel
	go l.run(ctx)
}

// endLoops removes the loops whose keys are gone, and waits until they have left their
// markers. Call it with applying held.
func (m *Manager) endLoops(gone func(key string) bool) {
	var ending []*loop
	m.mu.Lock()
	for key, l := range m.loops {
		if !gone(key) {
			continue
		}
		delete(m.loops, key)
		if l.stop != nil {
			l.stop()
			ending = append(ending, l)
		}
	}
	m.mu.Unlock()

	for _, l := range ending {
		<-l.done
		m.ended[l.set.target.Labels.String()] = l.clock.lastMs
	}
	nowMs := m.now().UnixMilli()
	for key, ms := range m.ended {
		if ms < nowMs {
			delete(m.ended, key)
		}
	}
}

// Run scrapes until ctx is done. All series have been ended by markers, and all goroutines
// of the manager are gone, when it returns nil. It forgets the targets then.
func (m *Manager) Run(ctx context.Context) error {
	m.applying.Lock()
	m.mu.Lock()
	if m.running != nil {
		m.mu.Unlock()
		m.applying.Unlock()
		return errors.New("scrape manager runs already")
	}
	m.running = ctx
	for _, l := range m.loops {
		m.start(l)
	}
	m.mu.Unlock()
	m.applying.Unlock()

	<-ctx.Done()
	m.applying.Lock()
	defer m.applying.Unlock()
	m.endLoops(func(string) bool { return true })
	m.mu.Lock()
	m.running = nil
	m.mu.Unlock()
	return nil
}

// ScrapeAll scrapes every target once, now, and returns when all of it is delivered: each
// target at most as long as its timeout, after a scrape that may be under way. A target that
// fails is no error of ScrapeAll. When ctx is done first, what is not complete is given up
// and its error returned.
func (m *Manager) ScrapeAll(ctx context.Context) error {
	m.mu.Lock()
	running := m.running != nil
	loops := slices.Collect(maps.Values(m.loops))
	m.mu.Unlock()
	if !running {
		return errors.New("scrape manager does not run")
	}
	var group errgroup.Group
	for _, l := range loops {
		group.Go(func() error { return l.scrapeNow(ctx) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("scrape all targets: %w", err)
	}
	return nil
}

// Status returns what was last seen of each target, in the order of their keys.
func (m *Manager) Status() []telemetry.TargetStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []telemetry.TargetStatus
	for _, key := range slices.Sorted(maps.Keys(m.loops)) {
		out = append(out, m.loops[key].Status())
	}
	return out
}
