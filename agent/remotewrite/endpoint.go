package remotewrite

import (
	"bytes"
	"cmp"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// endpoint is one receiver: its queue, what is known of it, and its present settings. It
// lives as long as its name is configured; a change of its settings leaves the queue alone,
// so that a mended token delivers the backlog.
type endpoint struct {
	name       string
	queue      *queue
	quarantine *quarantine // nil: what is refused for good is dropped
	metrics    *endpointMetrics
	logger     *slog.Logger

	settings atomic.Pointer[settings]
	message  atomic.Uint32 // what new requests are made of
	perReq   atomic.Int64  // samples; lowered for a while when the receiver calls a request too large

	hurry chan struct{} // cuts a wait between two tries short

	stop func() // ends the sender and waits for it; nil while none runs; guarded by Manager.mu

	mu            sync.Mutex
	lastSuccess   time.Time
	lastErr       string
	misconfigured bool
	highestMs     int64
}

// settings is what a reload may change.
type settings struct {
	cfg      *Config
	external labels.Labels
	encoder  *encoder
	client   *client
}

func newEndpoint(name string, m *metrics, q *quarantine, queueBytes int64, logger *slog.Logger) *endpoint {
	ep := &endpoint{
		name:       name,
		queue:      newQueue(queueBytes),
		quarantine: q,
		metrics:    m.endpoint(name),
		logger:     logger.With("endpoint", name),
		hurry:      make(chan struct{}, 1),
	}
	ep.metrics.cap.Set(float64(queueBytes))
	ep.metrics.misconfigured("")
	return ep
}

// set puts new settings in force. No sender may run.
func (ep *endpoint) set(s *settings, m message) {
	ep.settings.Store(s)
	ep.perReq.Store(defaultRequestSamples)
	ep.setMessage(m)
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.misconfigured {
		ep.misconfigured = false
		ep.metrics.misconfigured("")
	}
}

func (ep *endpoint) setMessage(m message) {
	ep.message.Store(uint32(m))
	ep.metrics.protocol(m)
}

func (ep *endpoint) currentMessage() message { return message(ep.message.Load()) }

func (ep *endpoint) limits() limits {
	return limits{samples: int(ep.perReq.Load()), bytes: maxRequestBytes}
}

// append encodes a scrape and queues it. It waits for nothing but other scrapes of the same
// target.
func (ep *endpoint) append(s *telemetry.Scrape) {
	skipped := ep.settings.Load().encoder.encode(s, ep.currentMessage(), ep.limits(), ep.enqueue)
	ep.metrics.skipped(skipped)
	ep.metrics.queue(ep.queue.Stats())
}

// enqueue queues a copy of a record that an encoder lends.
func (ep *endpoint) enqueue(r record) {
	r.data = bytes.Clone(r.data)
	ep.metrics.queued.Add(float64(r.counts.samples()))
	for _, old := range ep.queue.Append(r) {
		ep.lose(old)
	}
}

// lose accounts for a record that the queue had no room for.
func (ep *endpoint) lose(r record) {
	if ep.queue.Closed() {
		ep.drop("endpoint_removed", r.counts)
		return
	}
	ep.drop("queue_full", r.counts)
	ep.logger.Warn("queue is full, dropping the oldest samples", "samples", r.counts.samples())
}

func (ep *endpoint) drop(reason string, c counts) { ep.metrics.dropped(reason, c.samples()) }

// remove ends the endpoint. Its sender has stopped.
func (ep *endpoint) remove() {
	var c counts
	for _, r := range ep.queue.Close() {
		c.add(r.counts)
	}
	ep.drop("endpoint_removed", c)
	ep.metrics.remove()
	if c.samples() > 0 {
		ep.logger.Warn("endpoint was removed, dropping what it had queued", "samples", c.samples())
	}
}

// nudge makes a sender that waits after a failure try again now.
func (ep *endpoint) nudge() {
	select {
	case ep.hurry <- struct{}{}:
	default:
	}
}

// calm takes a nudge back that nobody needed.
func (ep *endpoint) calm() {
	select {
	case <-ep.hurry:
	default:
	}
}

// replace puts records in the place of the one at the front of the queue, or takes that away.
func (ep *endpoint) replace(with ...record) {
	ep.queue.Replace(with...)
	ep.metrics.queue(ep.queue.Stats())
}

// note remembers the last answer for people.
func (ep *endpoint) note(a answer) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if a.verdict == delivered {
		ep.lastSuccess, ep.lastErr = time.Now(), ""
	} else {
		ep.lastErr = a.err.Error()
	}
	switch {
	case a.verdict == misconfigured:
		ep.misconfigured = true
		ep.metrics.misconfigured(cmp.Or(statusLine(a.status), a.reason))
	case a.verdict != passing && ep.misconfigured: // it takes notice of what we send
		ep.misconfigured = false
		ep.metrics.misconfigured("")
	}
}

// settle accounts for a record that was delivered.
func (ep *endpoint) settle(r record, a answer) {
	ep.metrics.delivered.Add(float64(r.counts.samples()))
	ep.metrics.exemplars.Add(float64(r.counts.exemplars))
	if n := a.written.missing(r); n > 0 {
		ep.metrics.notWritten.Add(float64(n))
		ep.logger.Warn("receiver accepted a request but says that it did not write all of it", "samples", n)
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if r.maxMs > ep.highestMs {
		ep.highestMs = r.maxMs
		ep.metrics.highest.Set(float64(r.maxMs) / 1000)
	}
}

func (ep *endpoint) status() telemetry.EndpointStatus {
	q := ep.queue.Stats()
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return telemetry.EndpointStatus{
		Kind:          "remote_write",
		Name:          ep.name,
		URL:           ep.settings.Load().cfg.URL.Redacted(),
		Protocol:      ep.currentMessage().String(),
		Queued:        q.records,
		QueuedBytes:   q.bytes,
		Oldest:        q.oldest,
		LastSuccess:   ep.lastSuccess,
		LastError:     ep.lastErr,
		Misconfigured: ep.misconfigured,
	}
}
