package profiler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"

	"outrider/telemetry"
)

// Options are what a Manager needs of the world around it.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	UserAgent  string
	// Sink takes each profile. It must not wait for a network. An error means that it took
	// nothing.
	Sink func(*telemetry.Profile) error
	// Life returns when the process of the target started, as last seen in its metrics
	// (process_start_time_seconds), and false when that is not known. It may be nil.
	Life func(*telemetry.Target) (start time.Time, ok bool)

	dial promconfig.DialContextFunc // in tests
}

// Job is the profiling of the targets of one job.
type Job struct {
	Name   string
	Config Config
}

// Manager takes profiles of targets, each type at its own period.
type Manager struct {
	opts    Options
	metrics *metrics
	// parser lets one profile at a time be in memory in its parsed form, which is many
	// times larger than what the service sent.
	parser *arbiter

	// mu guards what follows. Tasks never take it, so they may be waited for under it.
	mu       sync.Mutex
	ctx      context.Context // of Run; nil unless it runs
	jobs     map[string]*job
	targets  map[string]*target  // by key
	arbiters map[string]*arbiter // by URL: two jobs may profile one process
}

// job is a Job with the client that its targets share.
type job struct {
	Job
	client *http.Client
}

// target is one profiled target. But for stop, it does not change.
type target struct {
	*telemetry.Target
	job     *job
	arbiter *arbiter
	tasks   []*task // by type
	stop    func()  // ends the tasks and waits for them; nil unless they run
}

// New makes a Manager that has no targets yet.
func New(o Options) *Manager {
	return &Manager{
		opts:     o,
		metrics:  newMetrics(o.Registerer),
		parser:   newArbiter(),
		jobs:     map[string]*job{},
		targets:  map[string]*target{},
		arbiters: map[string]*arbiter{},
	}
}

// Check says whether Apply would take the jobs, and changes nothing.
func (m *Manager) Check(jobs []Job) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.resolve(jobs)
	return err
}

// Apply replaces the jobs and their targets, which are by the name of the job. What did not
// change keeps running untouched, and a target whose job changed keeps its baselines. It may
// be called before and during Run. On an error, nothing has changed.
func (m *Manager) Apply(jobs []Job, targets map[string][]*telemetry.Target) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next, err := m.resolve(jobs)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for name := range next {
		for _, t := range targets[name] {
			wanted[t.Key()] = true
		}
	}
	for key, t := range m.targets {
		if !wanted[key] {
			t.halt()
			delete(m.targets, key)
		}
	}
	arbiters := map[string]*arbiter{}
	for name, j := range next {
		for _, t := range targets[name] {
			url := t.URL.String()
			if arbiters[url] == nil {
				arbiters[url] = cmp.Or(m.arbiters[url], newArbiter())
			}
			m.watch(t, j, arbiters[url])
		}
	}
	for name, old := range m.jobs {
		if next[name] == nil {
			m.metrics.forget(name)
		}
		if next[name] != old {
			old.client.CloseIdleConnections()
		}
	}
	m.jobs, m.arbiters = next, arbiters
	m.metrics.targets.Set(float64(len(m.targets)))
	return nil
}

// resolve checks the jobs and makes a client for those that are new or changed.
func (m *Manager) resolve(jobs []Job) (map[string]*job, error) {
	next := make(map[string]*job, len(jobs))
	var errs []error
	for _, j := range jobs {
		if next[j.Name] != nil {
			errs = append(errs, fmt.Errorf("profile job %s: there are two of that name", j.Name))
			continue
		}
		if old := m.jobs[j.Name]; old != nil && reflect.DeepEqual(old.Config, j.Config) {
			next[j.Name] = old
			continue
		}
		if err := j.Config.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("profile job %s: %w", j.Name, err))
			continue
		}
		opts := []promconfig.HTTPClientOption{promconfig.WithUserAgent(m.opts.UserAgent)}
		if m.opts.dial != nil {
			opts = append(opts, promconfig.WithDialContextFunc(m.opts.dial))
		}
		client, err := promconfig.NewClientFromConfig(j.Config.HTTPClient, j.Name, opts...)
		if err != nil {
			errs = append(errs, fmt.Errorf("profile job %s: %w", j.Name, err))
			continue
		}
		next[j.Name] = &job{j, client}
	}
	return next, errors.Join(errs...)
}

// watch sees to it that a target has the tasks that its job asks for.
func (m *Manager) watch(tt *telemetry.Target, j *job, a *arbiter) {
	key := tt.Key()
	old := m.targets[key]
	if old != nil && old.job == j {
		return
	}
	t := &target{Target: tt, job: j, arbiter: a}
	if old != nil {
		old.halt()
	}
	for rank, info := range Types() {
		s := lookup(info.Name)
		p := j.Config.plan(s)
		if !p.enabled {
			continue
		}
		k := &task{
			manager: m, target: t, spec: s, plan: p, watched: time.Now(),
			offset: spread(key, rank, len(types), p.period),
		}
		k.status = telemetry.ProfileStatus{Target: tt, Type: s.name, Period: p.period}
		if old != nil {
			k.inherit(old.tasks)
		}
		m.metrics.declare(tt.Job, s.name)
		t.tasks = append(t.tasks, k)
	}
	m.targets[key] = t
	if m.ctx != nil {
		t.start(m.ctx)
	}
}

func (t *target) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, k := range t.tasks {
		wg.Go(func() { k.run(ctx) })
	}
	t.stop = func() { cancel(); wg.Wait() }
}

func (t *target) halt() {
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
}

// Run takes profiles until ctx is done and returns when all of these captures have ended. It
// may run once at a time.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	if m.ctx != nil {
		m.mu.Unlock()
		panic("BUG: Run is running")
	}
	m.ctx = ctx
	for _, t := range m.targets {
		t.start(ctx)
	}
	m.mu.Unlock()

	<-ctx.Done()

	m.mu.Lock()
	defer m.mu.Unlock()
	m.ctx = nil
	for _, t := range m.targets {
		t.halt()
	}
	for _, j := range m.jobs {
		j.client.CloseIdleConnections()
	}
	return nil
}

// Status returns what was last seen of each profile type of each target, sorted by target
// and type. LastCapture is the last that succeeded.
func (m *Manager) Status() []telemetry.ProfileStatus {
	var all []telemetry.ProfileStatus
	for _, t := range m.sorted() {
		for _, k := range t.tasks {
			all = append(all, k.snapshot())
		}
	}
	return all
}

// sorted returns the targets by key.
func (m *Manager) sorted() []*target {
	m.mu.Lock()
	defer m.mu.Unlock()
	ts := slices.Collect(maps.Values(m.targets))
	slices.SortFunc(ts, func(a, b *target) int { return cmp.Compare(a.Key(), b.Key()) })
	return ts
}
