package shop

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// warehouses bounds the values of the label "warehouse".
var warehouses = []string{"north", "south", "harbour"}

type metrics struct {
	factory     promauto.Factory
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	views       *prometheus.CounterVec
	stock       *prometheus.GaugeVec
	cacheHits   prometheus.Counter
	cacheMisses prometheus.Counter
	orders      *prometheus.CounterVec
	payment     prometheus.Observer
	settle      prometheus.Observer
	busyWorkers prometheus.Gauge
}

// newRegistry has what a service should say of its process and runtime.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsAll)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
		versioncollector.NewCollector("checkout"),
	)
	return reg
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		factory: f,
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total",
			Help: "Requests answered.",
		}, []string{"route", "method", "code"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_request_duration_seconds",
			Help:    "How long requests took to answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
			// Scraped as protobuf it is a native histogram too.
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"route", "method"}),
		inFlight: f.NewGauge(prometheus.GaugeOpts{
			Name: "http_requests_in_flight",
			Help: "Requests that are being answered.",
		}),
		views: f.NewCounterVec(prometheus.CounterOpts{
			Name: "product_views_total",
			Help: "Times that a product was shown.",
		}, []string{"product"}),
		stock: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "stock_units",
			Help: "Units of a product in a warehouse.",
		}, []string{"product", "warehouse"}),
		orders: f.NewCounterVec(prometheus.CounterOpts{
			Name: "orders_total",
			Help: "Orders by what became of them.",
		}, []string{"outcome"}),
		payment: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "payment_duration_seconds",
			Help:    "How long the payment provider took.",
			Buckets: []float64{.01, .02, .04, .08, .16, .32, 1},
		}),
		settle: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "order_settle_duration_seconds",
			Help:    "How long a worker took to settle an order.",
			Buckets: []float64{.005, .01, .02, .04, .08, .16, .5, 1, 5},
		}),
		busyWorkers: f.NewGauge(prometheus.GaugeOpts{
			Name: "worker_busy",
			Help: "Workers that settle an order.",
		}),
	}
	m.cacheHits = f.NewCounterVec(prometheus.CounterOpts{
		Name: "cache_hits_total",
		Help: "Lookups that the cache answered.",
	}, []string{"cache"}).WithLabelValues("products")
	m.cacheMisses = f.NewCounterVec(prometheus.CounterOpts{
		Name: "cache_misses_total",
		Help: "Lookups that went on to the database.",
	}, []string{"cache"}).WithLabelValues("products")
	for _, outcome := range outcomes {
		m.orders.WithLabelValues(outcome)
	}
	return m
}

func (m *metrics) watchQueue(length func() int, capacity int) {
	m.factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "worker_queue_length",
		Help: "Orders that wait for a worker.",
	}, func() float64 { return float64(length()) })
	m.factory.NewGauge(prometheus.GaugeOpts{
		Name: "worker_queue_capacity",
		Help: "Orders that may wait for a worker.",
	}).Set(float64(capacity))
}

func (m *metrics) watchCache(length func() int) {
	m.factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "cache_entries",
		Help:        "Entries that the cache holds.",
		ConstLabels: prometheus.Labels{"cache": "products"},
	}, func() float64 { return float64(length()) })
}

func observeSince(o prometheus.Observer, start time.Time) {
	o.Observe(time.Since(start).Seconds())
}
