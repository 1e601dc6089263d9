package pyroscope

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/outbound"
	"outrider/telemetry"
)

// DefaultQueueBytes is what a queue holds when Options do not say.
const DefaultQueueBytes = 32 << 20

// Options are what a Manager needs of the world around it.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	UserAgent  string
	// QueueBytes bounds what waits for one endpoint; 0 stands for DefaultQueueBytes.
	QueueBytes int64

	dial promconfig.DialContextFunc // in tests
}

// Manager queues profiles for each endpoint and pushes them. All its methods are safe for
// concurrent use.
type Manager struct {
	opts    Options
	metrics *metrics

	endpoints atomic.Pointer[[]*endpoint] // in the order of the configuration

	mu  sync.Mutex      // held by Apply, and by Run when it starts and ends
	ctx context.Context // of Run while it runs, else nil
}

// New makes a Manager that has no endpoints yet. It sends nothing before Run.
func New(o Options) *Manager {
	if o.QueueBytes <= 0 {
		o.QueueBytes = DefaultQueueBytes
	}
	m := &Manager{opts: o, metrics: newMetrics(o.Registerer)}
	m.endpoints.Store(&[]*endpoint{})
	return m
}

// Check says whether Apply would take the configurations, and changes nothing.
func (m *Manager) Check(configs []*Config, external labels.Labels) error {
	seen := map[string]bool{}
	for _, cfg := range configs {
		name := outbound.EndpointName(cfg.Name, cfg.URL)
		if seen[name] {
			return fmt.Errorf("pyroscope_write: more than one endpoint is named %q", name)
		}
		seen[name] = true
		if _, err := m.prepare(cfg, name, external); err != nil {
			return fmt.Errorf("pyroscope_write %q: %w", name, err)
		}
	}
	return nil
}

// Apply replaces the endpoints. One whose configuration is the same goes on untouched; one
// that is changed under its old name keeps its queue and sends it to where it is now told to;
// one that is gone loses it. It may be called before and during Run. On an error, nothing has
// changed. The configurations must not be changed afterwards.
func (m *Manager) Apply(configs []*Config, external labels.Labels) error {
	m.mu.Lock()
	defer m.mu.Unlock()

	old := map[string]*endpoint{}
	for _, ep := range *m.endpoints.Load() {
		old[ep.name] = ep
	}
	changed := map[string]*settings{}
	names := make([]string, 0, len(configs))
	for _, cfg := range configs {
		name := outbound.EndpointName(cfg.Name, cfg.URL)
		if slices.Contains(names, name) {
			return fmt.Errorf("pyroscope_write: more than one endpoint is named %q", name)
		}
		names = append(names, name)
		if ep := old[name]; ep != nil && ep.settings.Load().same(cfg, external) {
			continue
		}
		s, err := m.prepare(cfg, name, external)
		if err != nil {
			return fmt.Errorf("pyroscope_write %q: %w", name, err)
		}
		changed[name] = s
	}

	// Nothing can fail from here on.
	next := make([]*endpoint, 0, len(names))
	for _, name := range names {
		ep := old[name]
		if ep == nil {
			ep = newEndpoint(name, m.opts, m.metrics)
		}
		if s := changed[name]; s != nil {
			ep.set(s)
		}
		if m.ctx != nil && ep.stop == nil {
			ep.start(m.ctx)
		}
		next = append(next, ep)
	}
	m.endpoints.Store(&next)
	for name, ep := range old {
		if !slices.Contains(names, name) {
			ep.end()
			ep.remove()
		}
	}
	return nil
}

// prepare checks a configuration and makes what depends on it.
func (m *Manager) prepare(cfg *Config, name string, external labels.Labels) (*settings, error) {
	if cfg.URL == nil || cfg.URL.URL == nil || cfg.URL.Host == "" {
		return nil, errors.New("url is missing")
	}
	for name := range cfg.Labels {
		if strings.HasPrefix(name, "__") {
			return nil, fmt.Errorf("labels: %s: names that begin with two underscores are the server's", name)
		}
	}
	c, err := newClient(cfg, name, m.opts.UserAgent, m.opts.dial)
	if err != nil {
		return nil, err
	}
	return &settings{cfg: cfg, external: external, client: c}, nil
}

// Append queues a profile for every endpoint. It never waits for the network; what an
// endpoint has no room for, or would refuse for its labels, is counted and not an error.
func (m *Manager) Append(p *telemetry.Profile) error {
	for _, ep := range *m.endpoints.Load() {
		ep.append(p)
	}
	return nil
}

// Run pushes what is queued until ctx is done. Requests in flight are then given up; what
// is queued stays. It may run once at a time.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	if m.ctx != nil {
		m.mu.Unlock()
		panic("BUG: Run is running")
	}
	m.ctx = ctx
	for _, ep := range *m.endpoints.Load() {
		ep.start(ctx)
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

// start starts the senders. Manager.mu is held.
func (ep *endpoint) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ep.run(ctx)
	}()
	ep.stop = func() {
		cancel()
		<-done
	}
}

// end stops the senders if there are any. Manager.mu is held.
func (ep *endpoint) end() {
	if ep.stop != nil {
		ep.stop()
		ep.stop = nil
	}
}

// remove ends the endpoint. Its senders have stopped.
func (ep *endpoint) remove() {
	if s, _ := ep.queue.stats(); s.items > 0 {
		ep.logger.Warn("endpoint was removed, dropping what it had queued", "profiles", s.items)
	}
	ep.queue.close()
	ep.metrics.remove()
	ep.settings.Load().client.http.CloseIdleConnections()
}

// hurryEvery is how often Flush makes waiting senders try again.
const hurryEvery = time.Second

// Flush waits until all queues are empty. Profiles that wait for another try are tried now
// and then every second, except where the server asked for the wait or the endpoint is
// misconfigured. When ctx is done first, the error is ctx's and says what is left.
func (m *Manager) Flush(ctx context.Context) error {
	tick := time.NewTicker(hurryEvery)
	defer tick.Stop()
	m.hurry()
	for {
		left, changed := m.left()
		if len(left) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-tick.C:
			m.hurry()
		case <-ctx.Done():
			return fmt.Errorf("flush profiles: %w: %s", context.Cause(ctx), strings.Join(left, "; "))
		}
	}
}

func (m *Manager) hurry() {
	for _, ep := range *m.endpoints.Load() {
		ep.queue.hurry()
	}
}

// left says what the queues hold, and returns a channel that is closed when one of them
// changes.
func (m *Manager) left() (left []string, changed <-chan struct{}) {
	for _, ep := range *m.endpoints.Load() {
		s, c := ep.queue.stats()
		if s.items > 0 {
			left = append(left, fmt.Sprintf("%s has %d profiles with %d KiB left", ep.name, s.items, s.bytes>>10))
			changed = c
		}
	}
	return left, changed
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
