package profiler

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are about captures. target_job is the job_name of the profile configuration.
type metrics struct {
	captures    *prometheus.CounterVec
	failures    *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	skipped     *prometheus.CounterVec
	withheld    *prometheus.CounterVec
	lastSuccess *prometheus.GaugeVec
	duration    *prometheus.HistogramVec
	targets     prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	byType := []string{"target_job", "type"}
	byReason := []string{"target_job", "type", "reason"}
	return &metrics{
		captures: f.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_profile_captures_total",
			Help: "Profiles that were asked of targets, by the schedule or by people.",
		}, byType),
		failures: f.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_profile_capture_failures_total",
			Help: "Captures that gave no profile, by reason.",
		}, byReason),
		bytes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_profile_capture_bytes_total",
			Help: "Size of the profiles that targets sent, compressed.",
		}, byType),
		skipped: f.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_profile_skipped_ticks_total",
			Help: "Scheduled captures that were left out because the one before them was not done.",
		}, byType),
		withheld: f.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_profile_withheld_total",
			Help: "Good captures of which nothing was sent on, by reason: empty (nothing happened, or the service never set the rate) or baseline (the first of a life that began before the sidecar watched).",
		}, byReason),
		lastSuccess: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "outrider_profile_last_success_timestamp_seconds",
			Help: "When a scheduled capture last succeeded, in any target of the job.",
		}, byType),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "outrider_profile_capture_duration_seconds",
			Help:    "How long targets took to answer, including the time that a profile covers.",
			Buckets: []float64{0.005, 0.02, 0.1, 0.5, 2, 5, 11, 15, 20, 35, 65},
		}, []string{"type"}),
		targets: f.NewGauge(prometheus.GaugeOpts{
			Name: "outrider_profile_targets",
			Help: "Targets that are profiled.",
		}),
	}
}

// declare makes the series of a type of a job exist before anything happens, so that
// rates are right from the first event on.
func (m *metrics) declare(job, typ string) {
	m.captures.WithLabelValues(job, typ)
	m.bytes.WithLabelValues(job, typ)
	m.skipped.WithLabelValues(job, typ)
}

// forget removes the series of a job that is gone.
func (m *metrics) forget(job string) {
	of := prometheus.Labels{"target_job": job}
	for _, v := range []*prometheus.CounterVec{m.captures, m.failures, m.bytes, m.skipped, m.withheld} {
		v.DeletePartialMatch(of)
	}
	m.lastSuccess.DeletePartialMatch(of)
}
