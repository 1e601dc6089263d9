package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"outrider/agent/config"
	"outrider/agent/console"
	"outrider/agent/discover"
	"outrider/agent/footprint"
	"outrider/agent/remotewrite"
	"outrider/agent/scrape"
	"outrider/profiler"
	"outrider/profiler/pyroscope"
	"outrider/telemetry"
)

// ErrAborted is what Run returns when its drain was cut short by the caller.
var ErrAborted = errors.New("stopped before all was delivered")

// Options are what flags and the process give. What a reload can change is in the
// configuration instead.
type Options struct {
	ConfigFile       string // empty: the environment is the configuration
	StoragePath      string // empty: DefaultStoragePath, which may be unusable
	ListenAddress    string
	TelemetryAddress string // empty: no second door
	WebConfigFile    string
	ExternalURL      string
	DrainTimeout     time.Duration
	Version          string

	Logger  *slog.Logger
	Getenv  func(string) string
	Environ []string
}

// Agent is a sidecar. Make one with New and ride with Run, once.
type Agent struct {
	opts     Options
	logger   *slog.Logger
	registry *prometheus.Registry
	metrics  *metrics
	hostname string
	started  time.Time

	storage    *storage
	discoverer *discover.Discoverer
	scraper    *scrape.Manager
	writer     *remotewrite.Manager
	profiler   *profiler.Manager
	pusher     *pyroscope.Manager
	console    *console.Console
	lives      *lives
	self       *selfProfiler

	riding atomic.Bool
	broken atomic.Pointer[error] // why a stage ended by itself

	reloading sync.Mutex // held for a whole reload; taken before mu

	mu      sync.Mutex // for what follows, and held while stages are given their parts
	config  *config.Config
	targets telemetry.Targets
	shown   map[string][]*telemetry.Target // as last given to the scraper
	behind  bool                           // a stage has not taken the targets yet
	reload  reloadState
}

// New checks everything that can be wrong at the start: the configuration, the storage
// path, the listen addresses. What it opens, Run closes; when New fails it has closed it.
func New(opts Options) (*Agent, error) {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "unknown"
	}
	a := &Agent{
		opts:     opts,
		logger:   opts.Logger,
		registry: prometheus.NewRegistry(),
		hostname: hostname,
		started:  time.Now(),
		lives:    newLives(),
	}
	a.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector("outrider"),
	)
	a.metrics = newMetrics(a.registry)
	if instance := a.identity().Instance; instance == "localhost" || instance == "unknown" {
		a.logger.Warn("the host name tells no two copies of the service apart, set OUTRIDER_INSTANCE or POD_NAME", "instance", instance)
	}

	for _, w := range config.UnknownVariables(opts.Environ) {
		a.logger.Warn("environment", "reason", w.String())
	}
	cfg, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	if a.storage, err = openStorage(opts.StoragePath, DefaultStoragePath, a.logger); err != nil {
		return nil, err
	}
	if a.storage.dir != "" {
		a.metrics.storageOK.Set(1)
	}
	if err := a.build(); err != nil {
		return nil, errors.Join(err, a.storage.close())
	}
	if err := a.apply(cfg); err != nil {
		return nil, errors.Join(err, a.console.Close(), a.writer.Close(), a.storage.close())
	}
	a.noteReload(nil)
	return a, nil
}

// build makes the stages and joins them.
func (a *Agent) build() error {
	userAgent := "outrider/" + a.opts.Version
	log := func(stage string) *slog.Logger { return a.logger.With("stage", stage) }

	a.writer = remotewrite.New(remotewrite.Options{
		Logger:        log("remote_write"),
		Registerer:    a.registry,
		UserAgent:     userAgent,
		QuarantineDir: a.storage.quarantine(),
		SpoolDir:      a.storage.spool(),
	})
	a.pusher = pyroscope.New(pyroscope.Options{
		Logger:     log("pyroscope_write"),
		Registerer: a.registry,
		UserAgent:  userAgent,
	})
	a.profiler = profiler.New(profiler.Options{
		Logger:     log("profile"),
		Registerer: a.registry,
		UserAgent:  userAgent,
		Sink:       a.pusher.Append,
		Life:       a.lives.Life,
	})
	a.discoverer = discover.New(discover.Options{
		Logger:     log("discover"),
		Registerer: a.registry,
		Identity:   a.identity(),
	})
	var err error
	a.console, err = console.New(console.Options{
		ListenAddress:    a.opts.ListenAddress,
		TelemetryAddress: a.opts.TelemetryAddress,
		WebConfigFile:    a.opts.WebConfigFile,
		ExternalURL:      a.opts.ExternalURL,
		Logger:           log("console"),
		Gatherer:         a.registry,
		Registerer:       a.registry,
		Snapshot:         a.snapshot,
		Reload:           a.Reload,
		Flush:            a.Flush,
		Capture:          a.capture,
		Ready:            a.ready,
		Healthy:          a.healthy,
	})
	if err != nil {
		return err
	}
	a.scraper = scrape.New(scrape.Options{
		Logger:     log("scrape"),
		Registerer: a.registry,
		UserAgent:  userAgent,
		Sink:       fanOut(a.writer.Append, a.console.Sink, a.lives.Sink),
		Instance:   a.identity().Instance,
	})
	a.self = newSelfProfiler(log("self_profiles"), userAgent)
	return nil
}

// fanOut gives each scrape to all sinks, whatever one of them answers.
func fanOut(sinks ...telemetry.Sink) telemetry.Sink {
	return func(s *telemetry.Scrape) error {
		var errs []error
		for _, sink := range sinks {
			errs = append(errs, sink(s))
		}
		return errors.Join(errs...)
	}
}

func (a *Agent) identity() discover.Identity {
	return config.IdentityFromEnv(a.opts.Getenv, a.hostname)
}

// Run rides until drain is done, then ends in order: one last scrape, sources, queues, doors.
// When abort is done as well it ends at once with ErrAborted. It owns all goroutines and
// returns after the last one.
func (a *Agent) Run(drain, abort context.Context) error {
	defer func() {
		if err := a.storage.close(); err != nil {
			a.logger.Warn("close storage", "err", err)
		}
	}()

	// A stage that ends by itself has failed, and takes the others with it in good order.
	failed, fail := context.WithCancelCause(drain)
	defer fail(nil)
	start := func(name string, run func(context.Context) error) *stage {
		return startStage(abort, name, run, fail)
	}
	doors := start("console", a.console.Run)
	pusher := start("pyroscope_write", a.pusher.Run)
	writer := start("remote_write", a.writer.Run)
	scraper := start("scrape", a.scraper.Run)
	profiles := start("profile", a.profiler.Run)
	self := start("self_profiles", a.self.run)
	discovery := start("discover", func(ctx context.Context) error {
		return a.discover(ctx)
	})
	keeper := start("footprint", footprint.New().Run)
	a.riding.Store(true)
	a.logger.Info("riding", "version", a.opts.Version, "address", a.console.Addr(), "instance", a.identity().Instance)

	<-failed.Done()
	if cause := context.Cause(failed); !errors.Is(cause, context.Canceled) {
		a.broken.Store(&cause)
		a.logger.Error("a stage ended by itself, draining the others", "err", cause)
	}
	deadline, cancel := context.WithTimeout(abort, a.opts.DrainTimeout)
	defer cancel()

	// The order is the way of the data: nothing ends before what feeds it.
	discovery.stop()
	self.stop()
	profiles.stop()
	lastErr := a.lastScrape(deadline) // while the service may still answer
	scraper.stop()                    // leaves staleness markers
	flushErr := a.flushQueues(deadline)
	writer.stop()
	closeErr := a.writer.Close() // what is left waits on disk
	pusher.stop()
	keeper.stop()
	doors.stop() // last: health is answered while queues drain

	if lastErr != nil {
		a.logger.Warn("last scrape was cut short", "err", lastErr)
	}
	if flushErr != nil {
		a.logger.Warn("not all was delivered before the end", "err", flushErr)
	}
	errs := []error{closeErr}
	for _, s := range []*stage{discovery, self, profiles, scraper, writer, pusher, keeper, doors} {
		errs = append(errs, s.err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if abort.Err() != nil {
		return ErrAborted
	}
	a.logger.Info("done")
	return nil
}

// lastScrape gets at most half of the time that is left: what was scraped must still be sent.
func (a *Agent) lastScrape(ctx context.Context) error {
	if until, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(until)/2)
		defer cancel()
	}
	return a.scraper.ScrapeAll(ctx)
}

// flushQueues waits until both shippers have nothing left or ctx is done.
func (a *Agent) flushQueues(ctx context.Context) error {
	var wg sync.WaitGroup
	var writeErr, pushErr error
	wg.Go(func() { writeErr = a.writer.Flush(ctx) })
	wg.Go(func() { pushErr = a.pusher.Flush(ctx) })
	wg.Wait()
	return errors.Join(writeErr, pushErr)
}

// Flush scrapes every target once and waits until all queues are empty, within ctx. It is
// what a preStop hook calls before the service ends.
func (a *Agent) Flush(ctx context.Context) error {
	err := errors.Join(a.lastScrape(ctx), a.flushQueues(ctx))
	if err != nil {
		a.metrics.flushes.WithLabelValues("failure").Inc()
		return fmt.Errorf("flush: %w", err)
	}
	a.metrics.flushes.WithLabelValues("success").Inc()
	return nil
}

// ready says whether the configuration is loaded and the doors are open. Targets and backends
// do not count: a pod is not to lose its traffic because a backend is away.
func (a *Agent) ready() error {
	if !a.riding.Load() {
		return errors.New("starting")
	}
	return nil
}

// healthy says whether all stages are alive.
func (a *Agent) healthy() error {
	if cause := a.broken.Load(); cause != nil {
		return *cause
	}
	return nil
}
