package pyroscope

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are those of the package; all have the label "endpoint".
type metrics struct {
	queued    *prometheus.CounterVec
	delivered *prometheus.CounterVec
	dropped   *prometheus.CounterVec // reason

	requests    *prometheus.CounterVec // code
	sentBytes   *prometheus.CounterVec
	retries     *prometheus.CounterVec // reason
	duration    *prometheus.HistogramVec
	lastSuccess *prometheus.GaugeVec
	misconfig   *prometheus.GaugeVec // reason

	queueLength *prometheus.GaugeVec
	queueBytes  *prometheus.GaugeVec
	queueCap    *prometheus.GaugeVec
	queueOldest *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	name := func(s string) string { return "outrider_pyroscope_" + s }
	counter := func(n, help string, more ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name(n), Help: help}, append([]string{"endpoint"}, more...))
	}
	gauge := func(n, help string, more ...string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Name: name(n), Help: help}, append([]string{"endpoint"}, more...))
	}
	return &metrics{
		queued:    counter("profiles_queued_total", "Profiles that were given to the endpoint. Each is delivered, dropped or still queued."),
		delivered: counter("profiles_delivered_total", "Profiles that the server has accepted."),
		dropped:   counter("profiles_dropped_total", "Profiles that were given up, by reason: queue_full, expired (older than the server takes), too_large, rejected (refused for good), invalid_labels, endpoint_removed.", "reason"),

		requests:  counter("requests_total", "Requests sent, by status code; \"error\" where no answer came.", "code"),
		sentBytes: counter("sent_bytes_total", "Bytes of request bodies sent."),
		retries:   counter("retries_total", "Requests that have to be sent again, by reason: a status code, network, timeout.", "reason"),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            name("request_duration_seconds"),
			Help:                            "Time from sending a request to the end of its answer. A server that waits for its segment takes half a second.",
			Buckets:                         []float64{.025, .1, .25, .5, .75, 1, 2.5, 5, 10},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"endpoint"}),
		lastSuccess: gauge("last_success_timestamp_seconds", "When a profile was last delivered; 0 before the first."),
		misconfig:   gauge("misconfigured", "1 while the endpoint refuses everything in a way that waiting does not mend, with its answer as the reason.", "reason"),

		queueLength: gauge("queue_profiles", "Profiles waiting or being sent."),
		queueBytes:  gauge("queue_bytes", "Bytes of the profiles waiting or being sent, compressed."),
		queueCap:    gauge("queue_capacity_bytes", "Bytes that the queue holds before it drops the oldest profile."),
		queueOldest: gauge("queue_oldest_timestamp_seconds", "Time of the oldest profile waiting; 0 while none is."),
	}
}

// endpointMetrics are the metrics of one endpoint.
type endpointMetrics struct {
	all  *metrics
	name string

	queued, delivered, sentBytes                 prometheus.Counter
	duration                                     prometheus.Observer
	lastSuccess, length, bytes, capacity, oldest prometheus.Gauge
}

func (m *metrics) endpoint(name string) *endpointMetrics {
	return &endpointMetrics{
		all:         m,
		name:        name,
		queued:      m.queued.WithLabelValues(name),
		delivered:   m.delivered.WithLabelValues(name),
		sentBytes:   m.sentBytes.WithLabelValues(name),
		duration:    m.duration.WithLabelValues(name),
		lastSuccess: m.lastSuccess.WithLabelValues(name),
		length:      m.queueLength.WithLabelValues(name),
		bytes:       m.queueBytes.WithLabelValues(name),
		capacity:    m.queueCap.WithLabelValues(name),
		oldest:      m.queueOldest.WithLabelValues(name),
	}
}

func (m *endpointMetrics) dropped(reason string) {
	m.all.dropped.WithLabelValues(m.name, reason).Inc()
}

// request counts a request by the status of its answer, which is 0 where none came.
func (m *endpointMetrics) request(status int) {
	code := "error"
	if status > 0 {
		code = strconv.Itoa(status)
	}
	m.all.requests.WithLabelValues(m.name, code).Inc()
}

func (m *endpointMetrics) retry(reason string) {
	m.all.retries.WithLabelValues(m.name, reason).Inc()
}

// queue shows the fill of the queue.
func (m *endpointMetrics) queue(s queueStats) {
	m.length.Set(float64(s.items))
	m.bytes.Set(float64(s.bytes))
	m.oldest.Set(0)
	if !s.oldest.IsZero() {
		m.oldest.Set(seconds(s.oldest))
	}
}

// misconfigured sets the gauge; an empty reason means that all is well.
func (m *endpointMetrics) misconfigured(reason string) {
	m.all.misconfig.DeletePartialMatch(prometheus.Labels{"endpoint": m.name})
	v := 1.0
	if reason == "" {
		v = 0
	}
	m.all.misconfig.WithLabelValues(m.name, reason).Set(v)
}

// remove takes away what says how the endpoint is. What it did stays, to be counted.
func (m *endpointMetrics) remove() {
	for _, g := range []*prometheus.GaugeVec{
		m.all.lastSuccess, m.all.misconfig, m.all.queueLength, m.all.queueBytes, m.all.queueCap, m.all.queueOldest,
	} {
		g.DeletePartialMatch(prometheus.Labels{"endpoint": m.name})
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
