package config

import (
	"maps"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/discover"
	"outrider/agent/scrape"
	"outrider/profiler"
)

// DiscoverJobs returns what discovery looks for: the targets of all jobs.
func (c *Config) DiscoverJobs() []discover.Job {
	var jobs []discover.Job
	for _, s := range c.ScrapeConfigs {
		jobs = append(jobs, discover.Job{
			Name:   s.JobName,
			Config: s.Discover,
			Scheme: s.Scrape.Scheme,
			Path:   s.Scrape.MetricsPath,
			Params: s.Scrape.Params,
		})
	}
	for _, p := range c.ProfileConfigs {
		jobs = append(jobs, discover.Job{
			Name:      p.JobName,
			Config:    p.Discover,
			Scheme:    p.Profiler.Scheme,
			Path:      p.Profiler.PprofPath,
			Profile:   true,
			ScrapeJob: p.ScrapeJob,
			Port:      p.Port,
		})
	}
	return jobs
}

// ScrapeJobs returns how the targets of each job are scraped. The sidecar's own metrics are
// not among them.
func (c *Config) ScrapeJobs() []scrape.Job {
	var jobs []scrape.Job
	for _, s := range c.ScrapeConfigs {
		jobs = append(jobs, scrape.Job{Name: s.JobName, Config: s.Scrape})
	}
	return jobs
}

// ProfileJobs returns which profiles are taken of the targets of each job. With nowhere to
// push them to none is taken by itself: that would cost the service for nothing.
func (c *Config) ProfileJobs() []profiler.Job {
	var jobs []profiler.Job
	for _, p := range c.ProfileConfigs {
		job := profiler.Job{Name: p.JobName, Config: p.Profiler}
		if len(c.PyroscopeWrite) == 0 {
			job.Config.Profiles = maps.Clone(p.Profiler.Profiles)
			for name, t := range job.Config.Profiles {
				t.Enabled = new(false)
				job.Config.Profiles[name] = t
			}
		}
		jobs = append(jobs, job)
	}
	return jobs
}

// ExternalLabels returns the labels that are added to everything that is shipped.
func (c *Config) ExternalLabels() labels.Labels { return c.Global.ExternalLabels }
