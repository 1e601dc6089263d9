package scrape

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"outrider/telemetry"
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
	keptOut    *prometheus.CounterVec
	explosions *prometheus.GaugeVec
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
		keptOut:    counter("outrider_scrape_samples_kept_out_total", "Samples of series that series_limit had no room for."),
		explosions: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "outrider_scrape_label_values",
			Help: "Values seen of the label by which the series differ that series_limit keeps out, while it does.",
		}, []string{"target_job", "metric", "label"}),
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
	m.explosions.DeletePartialMatch(of)
	for _, c := range []*prometheus.CounterVec{
		m.scrapes, m.failures, m.limits, m.skipped, m.bodyBytes, m.samples,
		m.added, m.duplicates, m.dropped, m.exemplars, m.sinkErrors, m.keptOut,
	} {
		c.DeletePartialMatch(of)
	}
}

// jobMetrics are those of one job that each scrape counts in.
type jobMetrics struct {
	*metrics
	job       string
	scrapes   prometheus.Counter
	seconds   prometheus.Observer
	bodyBytes prometheus.Counter
	samples   prometheus.Counter
	added     prometheus.Counter
	keptOut   prometheus.Counter
}

func (m *metrics) of(job string) *jobMetrics {
	return &jobMetrics{
		metrics:   m,
		job:       job,
		scrapes:   m.scrapes.WithLabelValues(job),
		seconds:   m.seconds.WithLabelValues(job),
		bodyBytes: m.bodyBytes.WithLabelValues(job),
		samples:   m.samples.WithLabelValues(job),
		added:     m.added.WithLabelValues(job),
		keptOut:   m.keptOut.WithLabelValues(job),
	}
}

// scraped counts a scrape, whether or not it gave samples.
func (m *jobMetrics) scraped(r report, bodyBytes int) {
	m.scrapes.Inc()
	m.seconds.Observe(r.seconds)
	m.bodyBytes.Add(float64(bodyBytes))
	if t := &r.tally; t.duplicates+t.tooNew+t.tooOld+t.outOfOrder+t.exemplars > 0 {
		m.unusual(t)
	}
}

// unusual counts what most targets never have: series that never count anything are not
// worth having.
func (m *jobMetrics) unusual(t *tally) {
	add := func(c *prometheus.CounterVec, n int, labels ...string) {
		if n > 0 {
			c.WithLabelValues(append([]string{m.job}, labels...)...).Add(float64(n))
		}
	}
	add(m.duplicates, t.duplicates)
	add(m.dropped, t.tooNew, droppedTooNew)
	add(m.dropped, t.tooOld, droppedTooOld)
	add(m.dropped, t.outOfOrder, droppedOutOfOrder)
	add(m.exemplars, t.exemplars)
}

// exploded says where the series come from that are kept out; nil when none are.
func (m *jobMetrics) exploded(e *telemetry.Explosion) {
	m.explosions.DeletePartialMatch(prometheus.Labels{"target_job": m.job})
	if e != nil {
		m.explosions.WithLabelValues(m.job, e.Metric, e.Label).Set(float64(e.Values))
	}
}

// delivered counts what a good scrape gave.
func (m *jobMetrics) delivered(t tally, samples int) {
	m.samples.Add(float64(samples))
	m.added.Add(float64(t.added))
	m.keptOut.Add(float64(t.keptOut))
}

func (m *jobMetrics) failed(why reason) {
	m.failures.WithLabelValues(m.job, string(why)).Inc()
	if why.isLimit() {
		m.limits.WithLabelValues(m.job, string(why)).Inc()
	}
}

func (m *jobMetrics) skip(why string, n int) {
	m.metrics.skipped.WithLabelValues(m.job, why).Add(float64(n))
}
