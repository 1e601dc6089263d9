package agent

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/config"
	"outrider/agent/scrape"
	"outrider/telemetry"
)

// selfJob is the job label of what the sidecar says of itself.
const selfJob = "outrider"

// reloadState is how the configuration was last loaded.
type reloadState struct {
	loaded  time.Time // when the one in force was read
	failure string    // why a later attempt changed nothing; empty when it did
}

// loadConfig reads the file, or the environment when there is none, and logs its warnings.
func (a *Agent) loadConfig() (*config.Config, error) {
	var cfg *config.Config
	var warnings []config.Warning
	var err error
	if a.opts.ConfigFile != "" {
		cfg, warnings, err = config.Load(a.opts.ConfigFile, a.opts.Getenv)
	} else {
		cfg, warnings, err = config.FromEnv(a.opts.Getenv, a.hostname)
	}
	for _, w := range warnings {
		a.logger.Warn("configuration", "reason", w.String())
	}
	return cfg, err
}

// Reload reads the configuration file again and applies it. When that fails the running
// configuration stays as it is and the error says why. It waits for no network, and so takes
// no notice of its context.
func (a *Agent) Reload(context.Context) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	cfg, err := a.loadConfig()
	if err == nil {
		err = a.apply(cfg)
	}
	a.noteReload(err)
	if err != nil {
		a.metrics.reloads.WithLabelValues("failure").Inc()
		a.logger.Error("configuration not reloaded, the former one stays in force", "err", err)
		return fmt.Errorf("reload: %w", err)
	}
	a.metrics.reloads.WithLabelValues("success").Inc()
	a.logger.Info("configuration reloaded")
	return nil
}

func (a *Agent) noteReload(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.reload.failure = err.Error()
		a.metrics.reloadOK.Set(0)
		return
	}
	a.reload = reloadState{loaded: time.Now()}
	a.metrics.reloadOK.Set(1)
	a.metrics.reloadTime.SetToCurrentTime()
}

// apply gives every stage its part of the configuration, after each has said that it can
// take it: what one would refuse must not have cost another its queue or its loops. Stages
// leave alone what has not changed.
func (a *Agent) apply(cfg *config.Config) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.check(cfg); err != nil {
		return err
	}
	external := cfg.ExternalLabels()
	// Shippers first: what a new target yields must have somewhere to go. Errors can only
	// come of a file that went away since the check.
	if err := a.writer.Apply(cfg.RemoteWrite, external); err != nil {
		return fmt.Errorf("remote_write: %w", err)
	}
	if err := a.pusher.Apply(cfg.PyroscopeWrite, external); err != nil {
		return fmt.Errorf("pyroscope_write: %w", err)
	}
	if err := a.applySources(cfg, a.targets); err != nil {
		return err
	}
	// Discovery last: its update finds the jobs above already in place.
	a.discoverer.Apply(cfg.DiscoverJobs())
	a.self.apply(cfg, a.selfLabels())
	a.config = cfg
	return nil
}

// check asks every stage whether it can take its part of the configuration.
func (a *Agent) check(cfg *config.Config) error {
	external := cfg.ExternalLabels()
	if err := a.writer.Check(cfg.RemoteWrite, external); err != nil {
		return err
	}
	if err := a.pusher.Check(cfg.PyroscopeWrite, external); err != nil {
		return err
	}
	if err := a.scraper.Check(a.scrapeJobs(cfg)); err != nil {
		return fmt.Errorf("scrape_configs: %w", err)
	}
	if err := a.profiler.Check(cfg.ProfileJobs()); err != nil {
		return fmt.Errorf("profile_configs: %w", err)
	}
	return nil
}

// selfTargetJob tells our own target from a job_name that somebody wrote.
const selfTargetJob = "outrider (self)"

// selfScrapeJob scrapes our own registry, without a request, at the global interval.
func (a *Agent) selfScrapeJob(cfg *config.Config) scrape.Job {
	return scrape.Job{
		Name: selfTargetJob,
		Config: scrape.Config{
			ScrapeInterval: cfg.Global.ScrapeInterval,
			ScrapeTimeout:  cfg.Global.ScrapeTimeout,
		},
		Gatherer: a.registry,
	}
}

func (a *Agent) selfTarget() *telemetry.Target {
	return &telemetry.Target{
		Job:    selfTargetJob,
		URL:    &url.URL{Scheme: "http", Host: a.console.Addr(), Path: "/metrics"},
		Labels: a.selfLabels(),
	}
}

// selfLabels give the sidecar the identity of the service it rides beside.
func (a *Agent) selfLabels() labels.Labels {
	id := a.identity()
	b := labels.NewScratchBuilder(5)
	add := func(name, value string) {
		if value != "" {
			b.Add(name, value)
		}
	}
	instance := id.Instance
	if _, port, err := net.SplitHostPort(a.console.Addr()); err == nil {
		instance = net.JoinHostPort(id.Instance, port)
	}
	add(model.JobLabel, selfJob)
	add(model.InstanceLabel, instance)
	add("namespace", id.Namespace)
	add("pod", id.Pod)
	add("node", id.Node)
	b.Sort()
	return b.Labels()
}
