package profiler

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"outrider/telemetry"
)

// Options are what a Manager needs of the world around it.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	UserAgent  string
	// Sink takes each profile. It must not wait for a network. An error means that it took
	// nothing.
	Sink func(*telemetry.Profile) error
	// Life returns when the process of the target started, as last seen in its metrics
	// (process_start_time_seconds), and false when that is not known. It may be nil.
	Life func(*telemetry.Target) (start time.Time, ok bool)
}

// Job is the profiling of the targets of one job.
type Job struct {
	Name   string
	Config Config
}

// Manager takes profiles of targets, each type at its own period.
type Manager struct {
	opts Options
}

// New makes a Manager that has no targets yet.
func New(o Options) *Manager { return &Manager{opts: o} }

// Apply replaces the jobs and their targets, which are by the name of the job. What did not
// change keeps running untouched. It may be called before and during Run. On an error,
// nothing has changed.
func (m *Manager) Apply(jobs []Job, targets map[string][]*telemetry.Target) error { return nil }

// Run takes profiles until ctx is done and returns when all captures have ended.
func (m *Manager) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Capture takes one profile now and returns it as the service sent it, as a gzipped
// pprof protobuf, with the target it was taken of.
func (m *Manager) Capture(ctx context.Context, targetName, typeName string, seconds int) ([]byte, *telemetry.Target, error) {
	return nil, nil, context.Canceled
}

// Status returns what was last seen of each profile type of each target, sorted.
func (m *Manager) Status() []telemetry.ProfileStatus { return nil }
