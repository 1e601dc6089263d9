package discover

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	targets    *prometheus.GaugeVec
	dropped    *prometheus.GaugeVec
	fileErrors *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		targets: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "outrider_discovered_targets",
			Help: "Targets of each job at present, after relabelling.",
		}, []string{"kind", "target_job"}),
		dropped: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "outrider_discover_dropped_targets",
			Help: "Targets of each job that are not used at present: relabelled away, invalid, or with the URL and labels of another.",
		}, []string{"kind", "target_job", "reason"}),
		fileErrors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_discover_file_errors_total",
			Help: "Failed tries to read or parse a file of file_sd_configs.",
		}, []string{"pattern"}),
	}
}

// set shows the counts of now and forgets jobs that are only in last.
func (m *metrics) set(last, now map[jobKey]jobCount) {
	for k := range last {
		if _, ok := now[k]; !ok {
			m.targets.DeleteLabelValues(k.kind, k.name)
			m.dropped.DeletePartialMatch(prometheus.Labels{"kind": k.kind, "target_job": k.name})
		}
	}
	for k, c := range now {
		m.targets.WithLabelValues(k.kind, k.name).Set(float64(c.kept))
		m.dropped.WithLabelValues(k.kind, k.name, "relabelled").Set(float64(c.relabelled))
		m.dropped.WithLabelValues(k.kind, k.name, "invalid").Set(float64(c.invalid))
		m.dropped.WithLabelValues(k.kind, k.name, "duplicate").Set(float64(c.duplicate))
	}
}
