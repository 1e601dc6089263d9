package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/agent/outbound"
	"outrider/agent/spool"
	"outrider/telemetry"
)

// DefaultQueueBytes is what waits for an endpoint in memory when Options do not say.
const DefaultQueueBytes = 32 << 20

// Options are what a Manager needs to work.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: the metrics are kept but not exported
	UserAgent  string
	// QuarantineDir is where samples are kept that a receiver refuses for good. It is made
	// when it is needed. Empty: they are dropped.
	QuarantineDir string
	// SpoolDir is where requests wait, each endpoint's in a directory of its own. Empty: in
	// memory.
	SpoolDir string
	// QueueBytes bounds what waits for each endpoint in memory, in compressed bytes. 0 means
	// DefaultQueueBytes.
	QueueBytes int64
}

// Manager writes scrapes to any number of endpoints. All its methods are safe for concurrent
// use.
type Manager struct {
	opts       Options
	metrics    *metrics
	quarantine *quarantine
	tuning     tuning
	newClient  func(cfg *Config, name, userAgent string) (*client, error) // replaced by tests

	endpoints atomic.Pointer[[]*endpoint] // in the order of the configuration

	mu  sync.Mutex      // held by Apply, and by Run when it starts and ends
	ctx context.Context // of Run while it runs, else nil
}

// New returns a Manager without endpoints. It sends nothing before Run.
func New(o Options) *Manager {
	if o.QueueBytes <= 0 {
		o.QueueBytes = DefaultQueueBytes
	}
	m := &Manager{opts: o, metrics: newMetrics(o.Registerer), tuning: defaultTuning(), newClient: newClient}
	if o.QuarantineDir != "" {
		m.quarantine = newQuarantine(o.QuarantineDir, m.metrics)
	}
	m.endpoints.Store(&[]*endpoint{})
	return m
}

// Check says whether Apply would take the configurations, and changes nothing.
func (m *Manager) Check(configs []*Config, external labels.Labels) error {
	seen := make(map[string]bool)
	for _, cfg := range configs {
		name := outbound.EndpointName(cfg.Name, cfg.URL)
		if seen[name] {
			return fmt.Errorf("remote_write: more than one endpoint is named %q", name)
		}
		seen[name] = true
		if _, _, err := m.prepare(cfg, name, external); err != nil {
			return fmt.Errorf("remote_write %q: %w", name, err)
		}
	}
	return nil
}

// Apply replaces the endpoints. One whose configuration is the same goes on untouched; one
// that is changed under its old name keeps its queue; one that is gone leaves it on disk, or
// loses it where there is none. On an error nothing changes. The configurations must not be changed afterwards.
func (m *Manager) Apply(configs []*Config, external labels.Labels) error {
	m.mu.Lock()
	defer m.mu.Unlock()

	old := make(map[string]*endpoint)
	for _, ep := range *m.endpoints.Load() {
		old[ep.name] = ep
	}
	type change struct {
		ep  *endpoint
		set *settings
		msg message
	}
	var (
		changes []change
		next    = make([]*endpoint, 0, len(configs))
		seen    = make(map[string]bool)
		made    []*endpoint
		applied = false
	)
	defer func() {
		if !applied {
			for _, ep := range made {
				ep.close()
				ep.metrics.remove()
			}
		}
	}()
	for _, cfg := range configs {
		name := outbound.EndpointName(cfg.Name, cfg.URL)
		if seen[name] {
			return fmt.Errorf("remote_write: more than one endpoint is named %q", name)
		}
		seen[name] = true
		ep := old[name]
		if ep != nil && ep.settings.Load().same(cfg, external) {
			next = append(next, ep)
			continue
		}
		msg, set, err := m.prepare(cfg, name, external)
		if err != nil {
			return fmt.Errorf("remote_write %q: %w", name, err)
		}
		if ep == nil {
			ep = newEndpoint(name, m.spoolDir(name), m.metrics, m.quarantine, m.opts.Logger)
			ep.setLimits(m.limits(cfg))
			made = append(made, ep)
		}
		if err := ep.openLanes(cfg); err != nil {
			return fmt.Errorf("remote_write %q: %w", name, err)
		}
		next = append(next, ep)
		changes = append(changes, change{ep, set, msg})
	}

	// Nothing can fail from here on. A sender ends before its settings change: there is never
	// more than one request in flight.
	applied = true
	for _, c := range changes {
		c.ep.end()
		c.ep.setLimits(m.limits(c.set.cfg))
		c.ep.set(c.set, c.msg)
		if err := c.ep.relane(c.set.cfg); err != nil {
			return fmt.Errorf("remote_write %q: %w", c.ep.name, err)
		}
		c.ep.account()
	}
	m.endpoints.Store(&next)
	for name, ep := range old {
		if !seen[name] {
			ep.end()
			ep.remove()
		}
	}
	if m.ctx != nil {
		for _, c := range changes {
			m.start(c.ep)
		}
	}
	m.lookForOrphans(seen, configs)
	return nil
}

func (m *Manager) spoolDir(name string) string {
	if m.opts.SpoolDir == "" {
		return ""
	}
	return filepath.Join(m.opts.SpoolDir, endpointDir(name))
}

// limits are those of each log of an endpoint, and of all of them together.
func (m *Manager) limits(cfg *Config) spool.Limits {
	l := cfg.Spool.Limits()
	if l.MaxBytes <= 0 {
		l.MaxBytes = spool.DefaultMaxBytes
	}
	if m.opts.SpoolDir == "" {
		l.MaxBytes = min(l.MaxBytes, m.opts.QueueBytes)
	}
	return l
}

// prepare checks a configuration and makes what depends on it.
func (m *Manager) prepare(cfg *Config, name string, external labels.Labels) (message, *settings, error) {
	msg, ok := messageOf(cfg.ProtobufMessage)
	switch {
	case cfg.URL == nil || cfg.URL.URL == nil || cfg.URL.Host == "":
		return 0, nil, errors.New("url is missing")
	case cfg.Shards < 0 || cfg.Shards > MaxShards:
		return 0, nil, fmt.Errorf("shards %d is not between 1 and %d", cfg.Shards, MaxShards)
	case cfg.Order != "" && cfg.Order != InOrder && cfg.Order != FreshFirst:
		return 0, nil, fmt.Errorf("order %q is neither %s nor %s", cfg.Order, InOrder, FreshFirst)
	case !ok:
		return 0, nil, fmt.Errorf("protobuf_message %q is neither %s nor %s", cfg.ProtobufMessage, MessageV1, MessageV2)
	}
	rules := make([]*relabel.Config, len(cfg.WriteRelabelConfigs))
	for i, rule := range cfg.WriteRelabelConfigs {
		if rule == nil {
			return 0, nil, fmt.Errorf("write_relabel_configs: rule %d is empty", i+1)
		}
		checked := *rule // Validate fills in what is missing
		if err := checked.Validate(model.UTF8Validation); err != nil {
			return 0, nil, fmt.Errorf("write_relabel_configs: rule %d: %w", i+1, err)
		}
		rules[i] = &checked
	}
	c, err := m.newClient(cfg, name, m.opts.UserAgent)
	if err != nil {
		return 0, nil, err
	}
	return msg, &settings{cfg: cfg, external: external, encoder: newEncoder(cfg, rules, external), client: c}, nil
}

// same says whether the settings are made of an equal configuration, secrets included.
func (s *settings) same(cfg *Config, external labels.Labels) bool {
	return labels.Equal(s.external, external) && reflect.DeepEqual(s.cfg, cfg)
}

// Append encodes a scrape for each endpoint and queues it. It is a telemetry.Sink: it never
// waits for a network, and what there is no room for is counted and not an error.
func (m *Manager) Append(s *telemetry.Scrape) error {
	for _, ep := range *m.endpoints.Load() {
		ep.append(s)
	}
	return nil
}

// Run delivers until ctx is done. Requests in flight are then given up; what is queued stays.
// It may run once at a time.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	if m.ctx != nil {
		m.mu.Unlock()
		panic("BUG: Run is running")
	}
	m.ctx = ctx
	for _, ep := range *m.endpoints.Load() {
		m.start(ep)
	}
	m.mu.Unlock()

	<-ctx.Done()

	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ep := range *m.endpoints.Load() {
		ep.end()
	}
	m.ctx = nil
	return nil
}

// start starts the senders of an endpoint. m.mu is held.
func (m *Manager) start(ep *endpoint) {
	ctx, cancel := context.WithCancel(m.ctx)
	var wg sync.WaitGroup
	for _, la := range *ep.lanes.Load() {
		s := newSender(ep, la, m.tuning)
		wg.Go(func() { la.run(ctx, s) })
	}
	ep.stop = func() {
		cancel()
		wg.Wait()
	}
}

// Close closes the spools. What waits in them stays on disk. Run has ended and nothing is
// appended any more.
func (m *Manager) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ep := range *m.endpoints.Load() {
		if q := ep.fill(); q.samples > 0 && ep.logs.dir == "" {
			ep.logger.Warn("samples were not delivered before the end and are lost, as there is no storage path", "samples", q.samples)
		} else if q.samples > 0 {
			ep.logger.Info("samples wait on disk for the next start", "samples", q.samples)
		}
		ep.close()
	}
	return nil
}

// end stops the sender if there is one. Manager.mu is held.
func (ep *endpoint) end() {
	if ep.stop != nil {
		ep.stop()
		ep.stop = nil
	}
}

// nudgeEvery is how often Flush makes waiting senders try again.
const nudgeEvery = time.Second

// Flush waits until all queues are empty. Senders that wait between two tries are made to
// try now, except where the receiver has asked for the wait or is misconfigured. When ctx is
// done first, the error is ctx's and says what is left.
func (m *Manager) Flush(ctx context.Context) error {
	stopNudging := m.nudge(ctx)
	defer stopNudging()
	var left []string
	for _, ep := range *m.endpoints.Load() {
		var errs []error
		for _, la := range *ep.lanes.Load() {
			errs = append(errs, la.queue.Drained(ctx))
		}
		if errors.Join(errs...) != nil {
			q := ep.fill()
			left = append(left, fmt.Sprintf("%s has %d requests with %d samples left", ep.name, q.records, q.samples))
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("flush remote write: %w: %s", context.Cause(ctx), strings.Join(left, "; "))
	}
	return nil
}

// nudge hurries all senders until the function that it returns is called.
func (m *Manager) nudge(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(nudgeEvery)
		defer tick.Stop()
		for {
			for _, ep := range *m.endpoints.Load() {
				ep.nudge()
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
		for _, ep := range *m.endpoints.Load() {
			ep.calm()
		}
	}
}

// Status returns the state of the endpoints in the order of the configuration.
func (m *Manager) Status() []telemetry.EndpointStatus {
	eps := *m.endpoints.Load()
	out := make([]telemetry.EndpointStatus, 0, len(eps))
	for _, ep := range eps {
		out = append(out, ep.status())
	}
	return out
}
