package console

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// maxPulls bounds how many render metrics at once.
	maxPulls = 8
	// maxCaptures bounds how many wait for a profile; the profiler takes one at a time anyway.
	maxCaptures = 4
	// maxOwn bounds how many profiles of the sidecar itself are taken at once.
	maxOwn = 2
)

// mainHandler serves everything. Health alone is not guarded.
func (c *Console) mainHandler() http.Handler {
	mux := http.NewServeMux()
	guarded := func(pattern, name string, h http.Handler) {
		mux.Handle(pattern, c.metrics.instrument(name, c.guard.wrap(h)))
	}
	c.handleHealth(mux)
	guarded("/{$}", "page", read(http.HandlerFunc(c.page)))
	guarded("/metrics", "metrics", c.metricsHandler())
	guarded("/targets/metrics", "targets_metrics", c.targetsHandler())
	guarded("/api/v1/status", "status", read(http.HandlerFunc(c.status)))
	guarded("/api/v1/profile", "profile", allow(http.HandlerFunc(c.capture),
		"a capture costs the service, so it takes a POST: curl -X POST -OJ 'http://.../api/v1/profile?target=...&type=cpu&seconds=10'",
		http.MethodPost))
	guarded("/-/reload", "reload", allow(http.HandlerFunc(c.reload), "use POST", http.MethodPost, http.MethodPut))
	guarded("/-/flush", "flush", allow(http.HandlerFunc(c.flush), "use POST", http.MethodPost, http.MethodPut))

	guarded("/debug/pprof/", "pprof", c.ownPprof())

	guarded("/", "other", http.HandlerFunc(notFound))
	return secure(mux)
}

// telemetryHandler serves what may be known to anyone who reaches the port.
func (c *Console) telemetryHandler() http.Handler {
	mux := http.NewServeMux()
	c.handleHealth(mux)
	mux.Handle("/metrics", c.metrics.instrument("metrics", c.metricsHandler()))
	mux.Handle("/targets/metrics", c.metrics.instrument("targets_metrics", c.targetsHandler()))
	mux.Handle("/", c.metrics.instrument("other", http.HandlerFunc(notFound)))
	return secure(mux)
}

// handleHealth serves the probes, which are for anybody.
func (c *Console) handleHealth(mux *http.ServeMux) {
	mux.Handle("/-/healthy", c.metrics.instrument("healthy", read(c.health("healthy", c.opts.Healthy))))
	mux.Handle("/-/ready", c.metrics.instrument("ready", read(c.health("ready", c.opts.Ready))))
}

func (c *Console) metricsHandler() http.Handler {
	return read(c.limit(c.pulls, promhttp.HandlerFor(c.opts.Gatherer, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		// What can be gathered is worth more than none of it.
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      gatherLog{c.logger},
	})))
}

func (c *Console) targetsHandler() http.Handler {
	return read(c.limit(c.pulls, http.HandlerFunc(c.targetsMetrics)))
}
