package remotewrite

import (
	"cmp"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/spool"
	"outrider/telemetry"
)

// endpoint is one receiver: its lanes, what is known of it, and its present settings. It
// lives as long as its name is configured; a change of its settings leaves what is queued
// alone, so that a mended token delivers the backlog.
type endpoint struct {
	name       string
	quarantine *quarantine // nil: what is refused for good is dropped
	metrics    *endpointMetrics
	logger     *slog.Logger

	moving   sync.RWMutex // held by those who append; for good by who changes the lanes
	logs     *logSet
	lanes    atomic.Pointer[[]*lane]
	capacity atomic.Int64 // bound of all lanes together
	books    sync.Mutex   // held while the books of the logs are taken over

	settings atomic.Pointer[settings]
	message  atomic.Uint32 // what new requests are made of
	perReq   atomic.Int64  // samples; lowered for a while when the receiver calls a request too large

	gate gate // shut while the endpoint refuses everything

	stop func() // ends the senders and waits for them; nil while none run; guarded by Manager.mu

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

func newEndpoint(name, dir string, m *metrics, q *quarantine, logger *slog.Logger) *endpoint {
	ep := &endpoint{
		name:       name,
		quarantine: q,
		metrics:    m.endpoint(name),
		logger:     logger.With("endpoint", name),
	}
	ep.logs = &logSet{dir: dir, logger: ep.logger, open: make(map[string]*spool.Log)}
	ep.lanes.Store(&[]*lane{})
	ep.metrics.misconfigured("")
	return ep
}

// setLimits says what the logs may keep, before they are opened or relane is called.
func (ep *endpoint) setLimits(l spool.Limits) {
	ep.logs.limits = l
	ep.capacity.Store(l.MaxBytes)
	ep.metrics.cap.Set(float64(l.MaxBytes))
}

// set puts new settings in force. No sender may run.
func (ep *endpoint) set(s *settings, m message) {
	ep.settings.Store(s)
	ep.perReq.Store(defaultRequestSamples)
	ep.setMessage(m)
	ep.gate.open()
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

// append encodes a scrape and queues it. It waits for nothing but the file system and other
// scrapes of the same target.
func (ep *endpoint) append(s *telemetry.Scrape) {
	ep.moving.RLock()
	defer ep.moving.RUnlock()
	target := hashKey(s.Target.Key())
	q := laneFor(*ep.lanes.Load(), target).queue
	skipped := ep.settings.Load().encoder.encode(s, ep.currentMessage(), ep.limits(), func(r record) {
		r.target = target
		ep.metrics.queued.Add(float64(r.counts.samples()))
		if err := q.Append(r); err != nil { // one that was on its way when the endpoint went
			ep.drop("endpoint_removed", r.counts)
		}
	})
	ep.metrics.skipped(skipped)
	ep.account()
}

func (ep *endpoint) drop(reason string, c counts) { ep.metrics.dropped(reason, c.samples()) }

// remove ends the endpoint. Its senders have stopped. What waits on disk stays there.
func (ep *endpoint) remove() {
	q := ep.fill()
	ep.close()
	ep.metrics.remove()
	switch {
	case q.samples == 0:
	case ep.logs.dir == "":
		ep.metrics.dropped("endpoint_removed", q.samples)
		ep.logger.Warn("endpoint was removed, dropping what it had queued", "samples", q.samples)
	default:
		ep.logger.Warn("endpoint was removed, what it had queued stays on disk until it comes back", "dir", ep.logs.dir, "samples", q.samples)
	}
}

// close closes the logs.
func (ep *endpoint) close() {
	ep.logs.close()
	ep.account()
}

// nudge makes senders that wait after a failure try again now.
func (ep *endpoint) nudge() {
	for _, la := range *ep.lanes.Load() {
		select {
		case la.hurry <- struct{}{}:
		default:
		}
	}
}

// calm takes a nudge back that nobody needed.
func (ep *endpoint) calm() {
	for _, la := range *ep.lanes.Load() {
		select {
		case <-la.hurry:
		default:
		}
	}
}

// fill is what waits in all lanes.
func (ep *endpoint) fill() queueStats {
	all := queueStats{failing: ep.logs.broken.Load()}
	for _, la := range *ep.lanes.Load() {
		all.add(la.queue.Stats())
	}
	return all
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
	q := ep.fill()
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return telemetry.EndpointStatus{
		Kind:          "remote_write",
		Name:          ep.name,
		URL:           ep.settings.Load().cfg.URL.Redacted(),
		Protocol:      ep.currentMessage().String(),
		Queued:        q.records,
		QueuedBytes:   q.bytes,
		Capacity:      ep.capacity.Load(),
		Oldest:        q.oldest,
		DiskFailing:   q.failing,
		Dropped:       ep.metrics.allDropped(),
		LastSuccess:   ep.lastSuccess,
		LastError:     ep.lastErr,
		Misconfigured: ep.misconfigured,
	}
}
