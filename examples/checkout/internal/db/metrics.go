package db

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	wait     prometheus.Histogram
	duration *prometheus.HistogramVec
	failures *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, p *pool) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "db_pool_max",
		Help: "Size of the connection pool.",
	}, func() float64 { return float64(cap(p.idle)) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "db_pool_in_use",
		Help: "Connections that a query holds.",
	}, func() float64 { return float64(p.inUse()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "db_pool_idle",
		Help: "Connections that wait for a query.",
	}, func() float64 { return float64(len(p.idle)) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "db_pool_waiting",
		Help: "Queries that wait for a connection.",
	}, func() float64 { return float64(p.waiting.Load()) })
	return &metrics{
		wait: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "db_pool_wait_seconds",
			Help:    "How long queries waited for a connection, whether they got one or not.",
			Buckets: []float64{.0001, .001, .005, .02, .1, .5, 1},
		}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "db_query_duration_seconds",
			Help:    "How long queries took once they had a connection.",
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5},
		}, []string{"query"}),
		failures: f.NewCounterVec(prometheus.CounterOpts{
			Name: "db_query_failures_total",
			Help: "Queries that got no connection or were given up.",
		}, []string{"query"}),
	}
}
