package pyroscope

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

const (
	// senders work side by side because a server answers only once its segment is written,
	// half a second later.
	senders = 4

	retryMin = 500 * time.Millisecond
	retryMax = 30 * time.Second
	// misconfiguredWait makes two tries a minute.
	misconfiguredWait = 30 * time.Second

	// maxAge is a little less than the hour that a server looks back by default.
	maxAge = 55 * time.Minute

	// maxStrikes is how often a server may blame a profile before it is given up.
	maxStrikes = 3
	// A profile is tried again this long after each strike: long enough to tell a broken
	// profile from a server that starts or stops.
	suspectWait = 10 * time.Second
	limitedWait = 2 * time.Second

	// burstLimit is the size from which a profile does not fit in the burst that a server
	// allows by default (2 MiB), with what it adds in labels and in encoding it anew. Such a
	// profile is told to come back for ever.
	burstLimit = 2<<20 - 128<<10
)

// Reasons for which a profile is dropped, as counted.
const (
	lostQueueFull       = "queue_full"
	lostExpired         = "expired"
	lostTooLarge        = "too_large"
	lostRejected        = "rejected"
	lostInvalidLabels   = "invalid_labels"
	lostEndpointRemoved = "endpoint_removed"
)

// endpoint is one server: its queue, what is known of it, and its present settings. It
// lives as long as its name is configured; a change of its settings leaves the queue alone,
// so that a mended token delivers the backlog.
type endpoint struct {
	name    string
	queue   *queue
	metrics *endpointMetrics
	logger  *slog.Logger

	settings atomic.Pointer[settings]

	stop func() // ends the senders and waits for them; nil while none runs; guarded by Manager.mu

	mu            sync.Mutex
	lastSuccess   time.Time
	lastErr       string
	misconfigured bool
	// suspected is the last profile answered with a server error of unknown cause, and
	// serverSuspected says that there were several with no delivery between: then the
	// server is to blame and not they.
	suspected       *item
	serverSuspected bool
}

// settings is what a reload may change.
type settings struct {
	cfg      *Config
	external labels.Labels
	client   *client
}

// same says whether the settings are made of an equal configuration, secrets included.
func (s *settings) same(cfg *Config, external labels.Labels) bool {
	return labels.Equal(s.external, external) && reflect.DeepEqual(s.cfg, cfg)
}

func newEndpoint(name string, o Options, m *metrics) *endpoint {
	ep := &endpoint{
		name:    name,
		metrics: m.endpoint(name),
		logger:  o.Logger.With("endpoint", name),
	}
	ep.queue = newQueue(o.QueueBytes, ep.lost, ep.metrics.queue)
	ep.metrics.capacity.Set(float64(o.QueueBytes))
	ep.metrics.misconfigured("")
	return ep
}

// set puts new settings in force, also for what is queued.
func (ep *endpoint) set(s *settings) {
	old := ep.settings.Swap(s)
	if old != nil {
		old.client.http.CloseIdleConnections()
	}
	ep.queue.reset()
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.misconfigured {
		ep.misconfigured = false
		ep.metrics.misconfigured("")
	}
}

// append queues a profile under the labels of now.
func (ep *endpoint) append(p *telemetry.Profile) {
	s := ep.settings.Load()
	ep.metrics.queued.Inc()
	it := &item{profile: p}
	ls, err := seriesLabels(p, s.cfg.Labels, s.external)
	if err != nil {
		ep.fault(p, err)
		return
	}
	it.head = encodeHead(ls, len(p.Data))
	ep.queue.put(it)
}

// run sends what is queued until ctx is done.
func (ep *endpoint) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for {
				it, err := ep.queue.take(ctx)
				if err != nil {
					return
				}
				ep.send(ctx, it)
			}
		})
	}
	wg.Wait()
	ep.settings.Load().client.http.CloseIdleConnections()
}

// send pushes a profile once and does with it what the answer asks for.
func (ep *endpoint) send(ctx context.Context, it *item) {
	s := ep.settings.Load()
	start := time.Now()
	a := s.client.push(ctx, it.head, it.profile.Data)
	if ep.settings.Load() != s {
		s.client.http.CloseIdleConnections() // it was the last to use them
	}
	if a.verdict != delivered && ctx.Err() != nil {
		ep.queue.release(it)
		return
	}
	ep.metrics.duration.Observe(time.Since(start).Seconds())
	ep.metrics.sentBytes.Add(float64(it.size()))
	ep.metrics.request(a.status)
	ep.note(it, a)
	log := ep.logger.With("type", it.profile.Type, "target", it.profile.Target.Name())

	switch a.verdict {
	case delivered:
		ep.metrics.delivered.Inc()
		ep.queue.done(it)
	case limited:
		ep.limit(it, a, log)
	case suspect:
		ep.suspect(it, a, log)
	case passing:
		ep.rest(it, a, log)
	case misconfigured:
		ep.metrics.retry(a.reason)
		wait := max(misconfiguredWait+rand.N(misconfiguredWait/10), a.retryAfter)
		ep.queue.fail(it, wait, true)
		ep.logger.Error("endpoint refuses all profiles, check its settings", "err", a.err, "url", s.cfg.URL.Redacted(), "wait", wait)
	case expired:
		ep.refuse(it, a, lostExpired, log)
	case tooLarge:
		ep.refuse(it, a, lostTooLarge, log)
	case rejected:
		ep.refuse(it, a, lostRejected, log)
	default:
		panic("BUG: unknown verdict")
	}
}

// rest lets the endpoint rest.
func (ep *endpoint) rest(it *item, a answer, log *slog.Logger) {
	ep.metrics.retry(a.reason)
	wait := ep.queue.fail(it, a.retryAfter, a.retryAfter > 0)
	log.Warn("profile was not delivered, trying again", "err", a.err, "reason", a.reason, "url", ep.settings.Load().cfg.URL.Redacted(), "wait", wait)
}

// limit handles a rate limit. A profile larger than the burst never passes, whatever we
// wait, and must not make the others wait. ("push rate limit (4.0 MiB) exceeded while adding
// 2.9 MiB" is all that a server says of that.)
func (ep *endpoint) limit(it *item, a answer, log *slog.Logger) {
	if it.profile.Size < burstLimit || !strings.Contains(a.err.Error(), "while adding") {
		ep.rest(it, a, log)
		return
	}
	wait, out := it.strike(time.Now(), limitedWait)
	if out {
		a.err = fmt.Errorf("the profile of %d KiB (uncompressed) does not fit in the burst that the server allows: raise its ingestion_burst_size_mb: %w", it.profile.Size>>10, a.err)
		ep.note(it, a)
		ep.refuse(it, a, lostTooLarge, log)
		return
	}
	ep.metrics.retry(a.reason)
	ep.queue.retry(it, max(wait, a.retryAfter))
	log.Warn("profile was not delivered, trying again", "err", a.err, "reason", a.reason)
}

// suspect handles an error of unknown cause, which is what a server answers to a profile
// that it cannot read.
func (ep *endpoint) suspect(it *item, a answer, log *slog.Logger) {
	ep.mu.Lock()
	server := ep.serverSuspected
	ep.mu.Unlock()
	if server {
		ep.rest(it, a, log)
		return
	}
	wait, out := it.strike(time.Now(), suspectWait)
	if out {
		ep.refuse(it, a, lostRejected, log)
		return
	}
	ep.metrics.retry(a.reason)
	ep.queue.retry(it, wait)
	log.Warn("profile was not delivered, trying again", "err", a.err, "reason", a.reason)
}

// refuse drops a profile that the server will never accept.
func (ep *endpoint) refuse(it *item, a answer, reason string, log *slog.Logger) {
	ep.metrics.dropped(reason)
	ep.queue.done(it)
	log.Warn("profile was refused for good, dropping it", "reason", reason, "err", a.err, "bytes", it.profile.Size)
}

// lost accounts for a profile that the queue dropped. The queue is locked.
func (ep *endpoint) lost(it *item, reason string) {
	ep.metrics.dropped(reason)
	log := ep.logger.With("type", it.profile.Type, "target", it.profile.Target.Name())
	switch reason {
	case lostQueueFull:
		log.Warn("queue is full, dropping the oldest profile")
	case lostExpired:
		log.Warn("profile waited for longer than a server looks back, dropping it")
	}
}

// fault accounts for a profile whose labels no server takes.
func (ep *endpoint) fault(p *telemetry.Profile, err error) {
	ep.metrics.dropped(lostInvalidLabels)
	ep.logger.Warn("profile cannot be sent under its labels, dropping it", "type", p.Type, "target", p.Target.Name(), "err", err)
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.lastErr = err.Error()
}

// note remembers the last answer.
func (ep *endpoint) note(it *item, a answer) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	switch a.verdict {
	case delivered:
		if ep.lastErr != "" {
			ep.logger.Info("endpoint takes profiles again")
		}
		ep.lastSuccess, ep.lastErr = time.Now(), ""
		ep.metrics.lastSuccess.Set(seconds(ep.lastSuccess))
		ep.suspected, ep.serverSuspected = nil, false
	case suspect:
		ep.serverSuspected = ep.serverSuspected || ep.suspected != nil && ep.suspected != it
		ep.suspected = it
	}
	if a.err != nil {
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

func (ep *endpoint) status() telemetry.EndpointStatus {
	q, _ := ep.queue.stats()
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return telemetry.EndpointStatus{
		Kind:          "pyroscope_write",
		Name:          ep.name,
		URL:           ep.settings.Load().cfg.URL.Redacted(),
		Queued:        q.items,
		QueuedBytes:   q.bytes,
		Oldest:        q.oldest,
		LastSuccess:   ep.lastSuccess,
		LastError:     ep.lastErr,
		Misconfigured: ep.misconfigured,
	}
}
