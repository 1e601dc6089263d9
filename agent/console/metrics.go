package console

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	omitted  *prometheus.CounterVec
	webInfo  *prometheus.GaugeVec
}

func newMetrics(externalURL string) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_http_requests_total",
			Help: "Requests answered, by handler, status code and method.",
		}, []string{"handler", "code", "method"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "outrider_http_request_duration_seconds",
			Help: "How long requests took, by handler.",
			// From a page to a capture of half a minute: few, as there are many handlers.
			Buckets: []float64{0.01, 0.1, 1, 10, 60},
		}, []string{"handler"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_http_requests_refused_total",
			Help: "Requests refused before they were looked at: not authenticated, meant for another host, sent by a page of another site, a body too large or too slow, too many at once.",
		}, []string{"reason"}),
		omitted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "outrider_http_samples_omitted_total",
			Help: "Samples left out of /targets/metrics because Prometheus text cannot hold them.",
		}, []string{"reason"}),
		webInfo: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "outrider_web_info",
			Help: "The address under which people reach this sidecar; empty when none was given.",
		}, []string{"external_url"}),
	}
	for _, reason := range []string{"unauthenticated", "host", "cross_origin", "body", "busy"} {
		m.refused.WithLabelValues(reason)
	}
	for _, reason := range omissions {
		m.omitted.WithLabelValues(reason)
	}
	m.webInfo.WithLabelValues(externalURL).Set(1)
	return m
}

func (m *metrics) register(reg prometheus.Registerer) {
	reg.MustRegister(m.requests, m.duration, m.refused, m.omitted, m.webInfo)
}

// instrument counts the requests of one handler.
func (m *metrics) instrument(handler string, h http.Handler) http.Handler {
	l := prometheus.Labels{"handler": handler}
	h = promhttp.InstrumentHandlerCounter(m.requests.MustCurryWith(l), h)
	return promhttp.InstrumentHandlerDuration(m.duration.MustCurryWith(l), h)
}
