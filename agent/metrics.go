package agent

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	reloadOK   prometheus.Gauge
	reloadTime prometheus.Gauge
	reloads    *prometheus.CounterVec
	flushes    *prometheus.CounterVec
	storageOK  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "outrider_config_last_reload_successful",
			Help: "Whether the last attempt to load the configuration succeeded.",
		}),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "outrider_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration was last loaded with success.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_config_reloads_total",
			Help: "Attempts to load the configuration again, by result.",
		}, []string{"result"}),
		flushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_flushes_total",
			Help: "Requests to scrape and deliver everything at once, by result.",
		}, []string{"result"}),
		storageOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "outrider_storage_on_disk",
			Help: "Whether there is a storage folder (1) or nothing is kept on disk (0).",
		}),
	}
	for _, r := range []string{"success", "failure"} {
		m.reloads.WithLabelValues(r)
		m.flushes.WithLabelValues(r)
	}
	reg.MustRegister(m.reloadOK, m.reloadTime, m.reloads, m.flushes, m.storageOK)
	return m
}
