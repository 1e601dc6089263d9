package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"outrider/agent/backoff"
	"outrider/agent/config"
	"outrider/agent/scrape"
	"outrider/telemetry"
)

// retryTargets is how soon targets are tried again that a stage could not take, such as for
// a certificate that is being replaced.
const retryTargets = 5 * time.Second

// discover runs discovery and gives the stages what it finds.
func (a *Agent) discover(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		for backoff.Sleep(ctx, retryTargets) == nil {
			a.catchUp()
		}
	})
	return a.discoverer.Run(ctx, a.updateTargets)
}

// updateTargets takes what discovery found.
func (a *Agent) updateTargets(targets telemetry.Targets) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.targets = targets
	a.giveTargets()
}

// catchUp tries again what a stage did not take.
func (a *Agent) catchUp() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.behind {
		a.giveTargets()
	}
}

// giveTargets gives the stages the targets of now. Call it with a.mu held.
func (a *Agent) giveTargets() {
	err := a.applySources(a.config, a.targets)
	a.behind = err != nil
	if err != nil {
		a.logger.Error("targets cannot be taken over, trying again; the former ones go on", "err", err)
	}
}

// applySources sets the jobs and targets of scraper and profiler. Call it with a.mu held.
func (a *Agent) applySources(cfg *config.Config, targets telemetry.Targets) error {
	metrics := make(map[string][]*telemetry.Target, len(targets.Scrape)+1)
	for job, ts := range targets.Scrape {
		metrics[job] = ts
	}
	if cfg.SelfMetrics {
		metrics[selfTargetJob] = []*telemetry.Target{a.selfTarget()}
	}
	// The console takes scrapes of the targets that it knows alone, so it has to know the new
	// ones before the first scrape, and the former ones until the last.
	a.console.SetTargets(union(a.shown, metrics))
	if err := a.scraper.Apply(a.scrapeJobs(cfg), metrics); err != nil {
		return fmt.Errorf("scrape_configs: %w", err)
	}
	a.shown = metrics
	a.console.SetTargets(metrics)
	a.lives.keep(metrics)
	if err := a.profiler.Apply(cfg.ProfileJobs(), targets.Profile); err != nil {
		return fmt.Errorf("profile_configs: %w", err)
	}
	return nil
}

func union(a, b map[string][]*telemetry.Target) map[string][]*telemetry.Target {
	all := make(map[string][]*telemetry.Target, len(a)+len(b))
	for job, ts := range a {
		all[job] = ts
	}
	for job, ts := range b {
		all[job] = slices.Concat(all[job], ts)
	}
	return all
}

// scrapeJobs are those of the configuration and, unless it says otherwise, our own.
func (a *Agent) scrapeJobs(cfg *config.Config) []scrape.Job {
	jobs := cfg.ScrapeJobs()
	if cfg.SelfMetrics {
		jobs = append(jobs, a.selfScrapeJob(cfg))
	}
	return jobs
}
