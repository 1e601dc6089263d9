package shop

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var errBusy = &statusError{http.StatusServiceUnavailable, "too many requests at a time, try again later"}

// methods bounds the values of the label "method"; a client may invent more.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// instrument bounds, measures and, where faults are on, spoils the requests to next.
func (s *shop) instrument(next *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &statusRecorder{ResponseWriter: w, code: http.StatusOK}
		defer func() { s.observe(next, r, rec.code, time.Since(start)) }()
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			writeError(rec, errBusy)
			return
		}
		s.metrics.inFlight.Inc()
		defer s.metrics.inFlight.Dec()
		ctx, cancel := context.WithTimeout(r.Context(), s.sizes.requestTimeout)
		defer cancel()
		s.faults.Request(ctx)
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

func (s *shop) observe(mux *http.ServeMux, r *http.Request, code int, took time.Duration) {
	route, method := "unmatched", "other"
	if _, pattern := mux.Handler(r); pattern != "" {
		_, route, _ = strings.Cut(pattern, " ")
	}
	if slices.Contains(methods, r.Method) {
		method = r.Method
	}
	s.metrics.requests.WithLabelValues(route, method, strconv.Itoa(code)).Inc()
	duration := s.metrics.duration.WithLabelValues(route, method)
	if id, ok := sampledTrace(r.Header.Get("traceparent")); ok {
		duration.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": id})
		return
	}
	duration.Observe(took.Seconds())
}

// sampledTrace returns the trace of a W3C traceparent header, if the trace is recorded: an
// exemplar that leads to nothing is of no use.
func sampledTrace(traceparent string) (id string, ok bool) {
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 || len(parts[3]) != 2 || !isHex(parts[1]) {
		return "", false
	}
	flags, err := strconv.ParseUint(parts[3], 16, 8)
	return parts[1], err == nil && flags&1 == 1
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	code int
}

func (r *statusRecorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
