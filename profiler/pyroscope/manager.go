package pyroscope

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// Options are what a Manager needs of the world around it.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	UserAgent  string
	// QueueBytes bounds what waits for one endpoint; 0 stands for 32 MiB.
	QueueBytes int64
	// SeriesName returns the name (__name__) under which profiles of a type are stored. If it
	// is nil, cpu is stored as process_cpu and any other type under its own name.
	SeriesName func(profileType string) string
}

// Manager queues profiles for each endpoint and pushes them.
type Manager struct {
	opts Options
}

// New makes a Manager that has no endpoints yet.
func New(o Options) *Manager { return &Manager{opts: o} }

// Apply replaces the endpoints. One whose name stays keeps its queue. It may be called
// before and during Run. On an error, nothing has changed.
func (m *Manager) Apply(configs []*Config, external labels.Labels) error { return nil }

// Append queues a profile for every endpoint. It never waits for the network.
func (m *Manager) Append(p *telemetry.Profile) error { return nil }

// Run pushes what is queued until ctx is done.
func (m *Manager) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Flush returns nil once all queues are empty. When ctx is done before that, its error says
// which endpoints have how much left.
func (m *Manager) Flush(ctx context.Context) error { return nil }

// Status returns the state of each endpoint, sorted by name.
func (m *Manager) Status() []telemetry.EndpointStatus { return nil }
