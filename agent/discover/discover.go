package discover

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"outrider/telemetry"
)

// Job is one block of scrape_configs or profile_configs: where its targets come from and
// what is requested of them.
type Job struct {
	// Name is the job_name, unique among the jobs of its kind.
	Name string
	// Config has passed its checks: relabel rules know how label names are validated.
	Config Config
	// Scheme (http, https) and Path are what is requested unless relabelling says otherwise.
	// Empty means http, and /metrics or /debug/pprof.
	Scheme, Path string
	// Params are sent with each scrape; profile jobs have none.
	Params url.Values

	// Profile says that the job is one of profile_configs.
	Profile bool
	// ScrapeJob makes a profile job take the targets of that scrape job, with the same labels
	// and the same instance, instead of its own. Its relabelling comes on top.
	ScrapeJob string
	// Port is the port of the pprof handlers where ScrapeJob is set. Zero means that of the
	// metrics, and their scheme.
	Port int
}

func (j *Job) key() jobKey {
	if j.Profile {
		return jobKey{kindProfile, j.Name}
	}
	return jobKey{kindScrape, j.Name}
}

func (j *Job) path() string {
	if j.Profile {
		return cmp.Or(j.Path, defaultPprofPath)
	}
	return cmp.Or(j.Path, defaultMetricsPath)
}

// Options are what a Discoverer is made of. All are needed.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Identity   Identity
}

// Discoverer keeps the set of targets of all jobs up to date.
type Discoverer struct {
	logger  *slog.Logger
	metrics *metrics
	id      Identity

	applied chan struct{} // holds one token when Run has jobs to take up

	mu         sync.Mutex
	jobs       []Job
	generation int // counts calls of Apply
}

// New makes a Discoverer without jobs and registers its metrics.
func New(o Options) *Discoverer {
	return &Discoverer{
		logger:  o.Logger,
		metrics: newMetrics(o.Registerer),
		id:      o.Identity,
		applied: make(chan struct{}, 1),
	}
}

// Apply replaces all jobs, before or during Run. It does not wait until Run has taken them
// up. The jobs, and what they point to, must not be changed afterwards.
func (d *Discoverer) Apply(jobs []Job) {
	d.mu.Lock()
	d.jobs = slices.Clone(jobs)
	d.generation++
	d.mu.Unlock()
	select {
	case d.applied <- struct{}{}:
	default: // a token is there: Run will see these jobs as well
	}
}

func (d *Discoverer) current() ([]Job, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.jobs, d.generation
}

// Run calls update with the full set of targets: at once, even if that is empty, and then
// each time the set differs from the one before. Every job is a key of its map, also a job
// without targets. A target that stays is the same pointer. All calls come from the goroutine
// of Run; the maps and slices may be kept but not written to.
//
// Run returns nil when ctx is done. Nothing else ends it. It must not run twice at a time.
func (d *Discoverer) Run(ctx context.Context, update func(telemetry.Targets)) error {
	var (
		files   = newWatcher(d.logger, d.metrics.fileErrors)
		last    = &result{}
		applied = -1
		ticker  = time.NewTicker(pollInterval)
	)
	defer ticker.Stop()
	for {
		jobs, generation := d.current()
		stale := applied != generation
		if stale {
			files.apply(jobs)
		}
		if files.poll(time.Now()) || stale {
			now := build(jobs, d.id, files.groups)
			d.metrics.set(last.counts, now.counts)
			d.report(last.problems, now.problems)
			scrape := keepPointers(last.targets.Scrape, now.targets.Scrape)
			profile := keepPointers(last.targets.Profile, now.targets.Profile)
			if scrape || profile || applied < 0 {
				update(now.targets)
			}
			last, applied = now, generation
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.applied:
		case <-ticker.C:
		}
	}
}

// maxReported bounds the log lines for one job and one change: a file may hold any number of
// bad targets.
const maxReported = 10

// report logs each problem that was not there before.
func (d *Discoverer) report(last, now []problem) {
	known := make(map[problem]bool, len(last))
	for _, p := range last {
		known[p] = true
	}
	reported := map[jobKey]int{}
	for _, p := range now {
		if known[p] {
			continue
		}
		known[p] = true
		reported[p.job]++
		if reported[p.job] > maxReported {
			continue
		}
		args := []any{"kind", p.job.kind, "job", p.job.name}
		if p.target != "" {
			args = append(args, "target", p.target)
		}
		if p.err != "" {
			args = append(args, "err", p.err)
		}
		d.logger.Warn(p.message, args...)
	}
	for job, n := range reported {
		if n > maxReported {
			d.logger.Warn("more targets of the job have problems", "kind", job.kind, "job", job.name, "more", n-maxReported)
		}
	}
}
