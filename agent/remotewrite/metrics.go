package remotewrite

import (
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are those of the package. All but those of the quarantine, which all endpoints
// share, have the label "endpoint".
type metrics struct {
	samplesQueued      *prometheus.CounterVec
	samplesSkipped     *prometheus.CounterVec // reason
	samplesDelivered   *prometheus.CounterVec
	samplesDropped     *prometheus.CounterVec // reason
	samplesQuarantined *prometheus.CounterVec
	samplesNotWritten  *prometheus.CounterVec
	exemplarsDelivered *prometheus.CounterVec
	exemplarsDropped   *prometheus.CounterVec

	requests     *prometheus.CounterVec // code
	sentBytes    *prometheus.CounterVec
	retries      *prometheus.CounterVec // reason
	duration     *prometheus.HistogramVec
	highestSent  *prometheus.GaugeVec
	misconfig    *prometheus.GaugeVec // reason
	protocol     *prometheus.GaugeVec // message
	bisections   *prometheus.CounterVec
	queueLength  *prometheus.GaugeVec
	queueSamples *prometheus.GaugeVec
	queueBytes   *prometheus.GaugeVec
	queueCap     *prometheus.GaugeVec
	queueOldest  *prometheus.GaugeVec

	samplesRecovered *prometheus.CounterVec
	damagedRecords   *prometheus.CounterVec
	damagedBytes     *prometheus.CounterVec
	tornBytes        *prometheus.CounterVec
	syncFailures     *prometheus.CounterVec
	setAside         *prometheus.CounterVec
	spoolUsed        *prometheus.GaugeVec
	spoolFailing     *prometheus.GaugeVec

	quarantineBytes   prometheus.Gauge
	quarantineExpired prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	name := func(s string) string { return "outrider_remote_write_" + s }
	counter := func(n, help string, more ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name(n), Help: help}, append([]string{"endpoint"}, more...))
	}
	gauge := func(n, help string, more ...string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Name: name(n), Help: help}, append([]string{"endpoint"}, more...))
	}
	return &metrics{
		samplesQueued:      counter("samples_queued_total", "Samples that were encoded and put in the queue. Each, and each that was recovered, is delivered, dropped, quarantined or still queued."),
		samplesSkipped:     counter("samples_skipped_total", "Samples of scrapes that were not put in the queue, by reason: relabelled, duplicate, not_advanced (timestamp not later than the last one), invalid_labels, native_histogram (sending them is off).", "reason"),
		samplesDelivered:   counter("samples_delivered_total", "Samples that the receiver has accepted."),
		samplesDropped:     counter("samples_dropped_total", "Queued samples that were given up, by reason: queue_full, max_age (waited too long), disk_full, disk_error (nowhere to keep them), too_old (for the receiver), poison (refused, with no quarantine to keep them), corrupt, endpoint_removed.", "reason"),
		samplesQuarantined: counter("samples_quarantined_total", "Samples that the receiver refused for good and that were kept in a file."),
		samplesNotWritten:  counter("samples_not_written_total", "Samples that the receiver accepted and then said that it did not write."),
		exemplarsDelivered: counter("exemplars_delivered_total", "Exemplars in requests that the receiver has accepted."),
		exemplarsDropped:   counter("exemplars_dropped_total", "Exemplars that were taken out of a request because the receiver refused some of them."),

		requests:  counter("requests_total", "Requests sent, by status code; \"error\" where no answer came.", "code"),
		sentBytes: counter("sent_bytes_total", "Bytes of request bodies sent, compressed."),
		retries:   counter("retries_total", "Requests that have to be sent again, by reason: a status code, network, timeout.", "reason"),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            name("request_duration_seconds"),
			Help:                            "Time from sending a request to the end of its answer.",
			Buckets:                         []float64{.005, .025, .1, .5, 1, 5, 10, 30},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"endpoint"}),
		highestSent: gauge("highest_sent_timestamp_seconds", "Highest timestamp of a delivered sample."),
		misconfig:   gauge("misconfigured", "1 while the endpoint refuses everything in a way that waiting does not mend, with its answer as the reason.", "reason"),
		protocol:    gauge("protocol_info", "The protobuf message that the endpoint is sent at present.", "message"),
		bisections:  counter("bisections_total", "Requests that were taken apart to find the series that the receiver refuses."),

		queueLength:  gauge("queue_requests", "Requests waiting."),
		queueSamples: gauge("queue_samples", "Samples waiting."),
		queueBytes:   gauge("queue_bytes", "Bytes of the requests waiting, compressed."),
		queueCap:     gauge("queue_capacity_bytes", "Bytes that the spool takes up before it drops the oldest requests."),
		queueOldest:  gauge("queue_oldest_timestamp_seconds", "When the oldest request waiting was queued; 0 while none is."),

		samplesRecovered: counter("samples_recovered_total", "Samples found on disk at the start, or when an endpoint came back."),
		damagedRecords:   counter("spool_damaged_records_total", "Requests in the spool that could not be read and were skipped; a stretch in which none can be found counts as one."),
		damagedBytes:     counter("spool_damaged_bytes_total", "Bytes of the spool that could not be read and were skipped."),
		tornBytes:        counter("spool_torn_bytes_total", "Bytes cut off the end of the spool at the start: a write that a crash has interrupted."),
		syncFailures:     counter("spool_sync_failures_total", "Times that the spool could not be synced to the disk; a power cut may lose what waits."),
		setAside:         counter("spool_set_aside_files_total", "Files of the spool that were renamed, as a newer version has written them."),
		spoolUsed:        gauge("spool_used_bytes", "Bytes that count in the capacity: of all files of the spool, or of the requests in memory."),
		spoolFailing:     gauge("spool_disk_failing", "1 while the disk does not take requests, which are then held in memory, or their position."),

		quarantineBytes:   f.NewGauge(prometheus.GaugeOpts{Name: name("quarantine_bytes"), Help: "Space on disk of all files in quarantine, each rounded up to 4096 bytes."}),
		quarantineExpired: f.NewCounter(prometheus.CounterOpts{Name: name("quarantine_expired_files_total"), Help: "Files in quarantine that were deleted to make room for newer ones."}),
	}
}

// endpointMetrics are the metrics of one endpoint.
type endpointMetrics struct {
	all  *metrics
	name string

	queued, delivered, quarantined, notWritten prometheus.Counter
	exemplars, exemplarsDropped                prometheus.Counter
	bytes, bisections                          prometheus.Counter

	recovered prometheus.Counter

	duration                                          prometheus.Observer
	highest, length, samples, queueBytes, cap, oldest prometheus.Gauge
	used, failing                                     prometheus.Gauge

	mu    sync.Mutex
	given map[string]int64 // samples that were dropped, by the reason
}

func (m *metrics) endpoint(name string) *endpointMetrics {
	return &endpointMetrics{
		all:         m,
		name:        name,
		queued:      m.samplesQueued.WithLabelValues(name),
		delivered:   m.samplesDelivered.WithLabelValues(name),
		quarantined: m.samplesQuarantined.WithLabelValues(name),
		notWritten:  m.samplesNotWritten.WithLabelValues(name),
		exemplars:   m.exemplarsDelivered.WithLabelValues(name),

		exemplarsDropped: m.exemplarsDropped.WithLabelValues(name),

		bytes:      m.sentBytes.WithLabelValues(name),
		bisections: m.bisections.WithLabelValues(name),
		duration:   m.duration.WithLabelValues(name),
		highest:    m.highestSent.WithLabelValues(name),
		length:     m.queueLength.WithLabelValues(name),
		samples:    m.queueSamples.WithLabelValues(name),
		queueBytes: m.queueBytes.WithLabelValues(name),
		cap:        m.queueCap.WithLabelValues(name),
		oldest:     m.queueOldest.WithLabelValues(name),
		recovered:  m.samplesRecovered.WithLabelValues(name),
		used:       m.spoolUsed.WithLabelValues(name),
		failing:    m.spoolFailing.WithLabelValues(name),
	}
}

func (m *endpointMetrics) dropped(reason string, samples int) {
	m.mu.Lock()
	if m.given == nil {
		m.given = make(map[string]int64)
	}
	if samples > 0 {
		m.given[reason] += int64(samples)
	}
	m.mu.Unlock()
	m.all.samplesDropped.WithLabelValues(m.name, reason).Add(float64(samples))
}

func (m *endpointMetrics) allDropped() map[string]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.given)
}

func (m *endpointMetrics) skipped(counts skipCounts) {
	for why, n := range counts {
		if n > 0 {
			m.all.samplesSkipped.WithLabelValues(m.name, skip(why).String()).Add(float64(n))
		}
	}
}

func (m *endpointMetrics) queue(s queueStats) {
	m.length.Set(float64(s.records))
	m.samples.Set(float64(s.samples))
	m.queueBytes.Set(float64(s.bytes))
	m.used.Set(float64(s.used))
	m.failing.Set(0)
	if s.failing {
		m.failing.Set(1)
	}
	m.oldest.Set(0)
	if !s.oldest.IsZero() {
		m.oldest.Set(float64(s.oldest.UnixMilli()) / 1000)
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

func (m *endpointMetrics) protocol(msg message) {
	m.all.protocol.DeletePartialMatch(prometheus.Labels{"endpoint": m.name})
	m.all.protocol.WithLabelValues(m.name, msg.String()).Set(1)
}

// remove takes away what says how the endpoint is. What it did stays, to be counted.
func (m *endpointMetrics) remove() {
	for _, g := range []*prometheus.GaugeVec{
		m.all.highestSent, m.all.misconfig, m.all.protocol, m.all.queueLength, m.all.queueSamples,
		m.all.queueBytes, m.all.queueCap, m.all.queueOldest, m.all.spoolUsed, m.all.spoolFailing,
	} {
		g.DeletePartialMatch(prometheus.Labels{"endpoint": m.name})
	}
}
