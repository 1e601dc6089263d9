package scrape

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	targets    *prometheus.GaugeVec
	scrapes    *prometheus.CounterVec
	failures   *prometheus.CounterVec
	limits     *prometheus.CounterVec
	skipped    *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	bodyBytes  *prometheus.CounterVec
	samples    *prometheus.CounterVec
	added      *prometheus.CounterVec
	duplicates *prometheus.CounterVec
	dropped    *prometheus.CounterVec
	exemplars  *prometheus.CounterVec
	sinkErrors *prometheus.CounterVec
}

// Why a scrape that was due did not become samples.
const (
	skippedOverrun = "overrun"            // the scrape before took until after it
	skippedClock   = "clock_stepped_back" // its time had been delivered already
)

// Why a sample with a timestamp of its own was dropped.
const (
	droppedTooNew     = "too_new"
	droppedTooOld     = "too_old"
	droppedOutOfOrder = "out_of_order"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"target_job"}, labels...))
	}
	return &metrics{
		targets: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "outrider_scrape_targets",
			Help: "Targets that are scraped.",
		}, []string{"target_job"}),
		scrapes:  counter("outrider_scrapes_total", "Scrapes, the failed ones included."),
		failures: counter("outrider_scrape_failures_total", "Scrapes that gave no samples, by reason.", "reason"),
		limits:   counter("outrider_scrape_limit_exceeded_total", "Scrapes that failed because of a configured limit, by limit.", "limit"),
		skipped:  counter("outrider_scrapes_skipped_total", "Scrapes that were due but not made or not delivered, by reason.", "reason"),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "outrider_scrape_duration_seconds",
			Help:    "How long scrapes take, the reading of their samples included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"target_job"}),
		bodyBytes:  counter("outrider_scrape_body_bytes_total", "Size of the expositions scraped, uncompressed."),
		samples:    counter("outrider_scrape_samples_total", "Samples delivered, without those of the sidecar and staleness markers."),
		added:      counter("outrider_scrape_series_added_total", "Series that the scrape before did not have."),
		duplicates: counter("outrider_scrape_duplicate_samples_total", "Samples dropped because their series had one in the same scrape, or is one of up and scrape_*."),
		dropped:    counter("outrider_scrape_samples_dropped_total", "Samples dropped because of timestamps that the target sent, by reason.", "reason"),
		exemplars:  counter("outrider_scrape_exemplars_dropped_total", "Exemplars dropped because they are too long or from the future."),
		sinkErrors: counter("outrider_scrape_delivery_errors_total", "Scrapes that what comes after could not take."),
	}
}

// start makes the series of a job that say most when they are zero.
func (m *metrics) start(job string) {
	m.scrapes.WithLabelValues(job)
	m.samples.WithLabelValues(job)
	m.duplicates.WithLabelValues(job)
	m.sinkErrors.WithLabelValues(job)
	m.skipped.WithLabelValues(job, skippedOverrun)
	m.skipped.WithLabelValues(job, skippedClock)
}

// forget removes the series of a job that is gone.
func (m *metrics) forget(job string) {
	of := prometheus.Labels{"target_job": job}
	m.targets.DeletePartialMatch(of)
	m.seconds.DeletePartialMatch(of)
	for _, c := range []*prometheus.CounterVec{
		m.scrapes, m.failures, m.limits, m.skipped, m.bodyBytes, m.samples,
		m.added, m.duplicates, m.dropped, m.exemplars, m.sinkErrors,
	} {
		c.DeletePartialMatch(of)
	}
}

// scraped counts a scrape, whether or not it gave samples.
func (m *metrics) scraped(job string, r report, bodyBytes int) {
	m.scrapes.WithLabelValues(job).Inc()
	m.seconds.WithLabelValues(job).Observe(r.seconds)
	m.bodyBytes.WithLabelValues(job).Add(float64(bodyBytes))
	add := func(c *prometheus.CounterVec, n int, labels ...string) {
		if n > 0 { // a series that never counts anything is not worth having
			c.WithLabelValues(append([]string{job}, labels...)...).Add(float64(n))
		}
	}
	add(m.duplicates, r.tally.duplicates)
	add(m.dropped, r.tally.tooNew, droppedTooNew)
	add(m.dropped, r.tally.tooOld, droppedTooOld)
	add(m.dropped, r.tally.outOfOrder, droppedOutOfOrder)
	add(m.exemplars, r.tally.exemplars)
}

// delivered counts what a good scrape gave.
func (m *metrics) delivered(job string, t tally, samples int) {
	m.samples.WithLabelValues(job).Add(float64(samples))
	m.added.WithLabelValues(job).Add(float64(t.added))
}

func (m *metrics) failed(job string, why reason) {
	m.failures.WithLabelValues(job, string(why)).Inc()
	if why.isLimit() {
		m.limits.WithLabelValues(job, string(why)).Inc()
	}
}
