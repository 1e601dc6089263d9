package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"outrider/demo/pyrodouble"
)

// How long each part may take to start, and to end.
const (
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
)

// Options say what a Stack is made of.
type Options struct {
	Binaries
	// Dir holds everything that is written: logs, profiles, the data of Prometheus.
	Dir string
	// Message is the remote-write protocol: MessageV1 or MessageV2.
	Message string
	// ScrapeInterval is that of the sidecar.
	ScrapeInterval time.Duration
	// Rate is how many requests a second the load generator makes.
	Rate int
	// Started is told of each part once it answers; nil means nobody is.
	Started func(part, url string)
}

// Stack is everything of the demo, running: a service under load, the sidecar beside it, and
// the two backends behind.
type Stack struct {
	Pyroscope  *Pyroscope
	Prometheus *Prometheus
	Service    *Service
	Load       *Process
	Sidecar    *Sidecar

	failed chan error
}

// Up starts everything and waits until it answers. On error nothing is left running.
func Up(ctx context.Context, opts Options) (_ *Stack, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not up after %s", startTimeout))
	defer cancel()
	if opts.Started == nil {
		opts.Started = func(string, string) {}
	}
	s := &Stack{failed: make(chan error, 4)}
	defer func() {
		if err != nil {
			s.kill()
		}
	}()
	logs := filepath.Join(opts.Dir, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for logs: %w", err)
	}

	address, err := Address(4040)
	if err != nil {
		return nil, err
	}
	if s.Pyroscope, err = StartPyroscope(address, pyrodouble.Options{
		Dir:       filepath.Join(opts.Dir, "profiles"),
		Logger:    slog.New(slog.DiscardHandler),
		PushDelay: 500 * time.Millisecond,
	}); err != nil {
		return nil, err
	}
	opts.Started("pyroscope", s.Pyroscope.URL)

	if address, err = Address(9090); err != nil {
		return nil, err
	}
	if s.Prometheus, err = StartPrometheus(ctx, PrometheusOptions{
		Binary: opts.Prometheus, Dir: filepath.Join(opts.Dir, "prometheus"), Address: address, LogDir: logs,
	}); err != nil {
		return nil, err
	}
	s.watch(s.Prometheus.Process)
	opts.Started("prometheus", s.Prometheus.URL)

	if address, err = Address(8080); err != nil {
		return nil, err
	}
	if s.Service, err = StartService(ctx, ServiceOptions{Binary: opts.Checkout, Address: address, LogDir: logs}); err != nil {
		return nil, err
	}
	s.watch(s.Service.Process)
	opts.Started("checkout", s.Service.URL)

	if s.Load, err = StartLoad(opts.Loadgen, s.Service.URL, opts.Rate, logs); err != nil {
		return nil, err
	}
	s.watch(s.Load)
	opts.Started("loadgen", "")

	if address, err = Address(9910); err != nil {
		return nil, err
	}
	if s.Sidecar, err = StartSidecar(ctx, SidecarOptions{
		Binary: opts.Outrider, Dir: filepath.Join(opts.Dir, "outrider"), Address: address, LogDir: logs,
		Config: SidecarConfig{
			ScrapeInterval: opts.ScrapeInterval,
			Target:         s.Service.Address,
			WriteURL:       s.Prometheus.WriteURL(),
			Message:        opts.Message,
			PyroscopeURL:   s.Pyroscope.URL,
		}.YAML(),
	}); err != nil {
		return nil, err
	}
	s.watch(s.Sidecar.Process)
	opts.Started("outrider", s.Sidecar.URL)
	return s, nil
}

// watch reports a process that ends.
func (s *Stack) watch(p *Process) {
	go func() {
		<-p.Done()
		err := p.Err()
		if err == nil {
			err = fmt.Errorf("%s ended by itself\n%s", p.Name(), p.Tail())
		}
		s.failed <- err // has room for each process
	}()
}

// Failed delivers the end of any process, in order or not.
func (s *Stack) Failed() <-chan error { return s.failed }

// StopSidecar ends the sidecar alone, which scrapes once more and delivers what it holds.
func (s *Stack) StopSidecar(ctx context.Context) error {
	return s.Sidecar.Stop(ctx, stopTimeout)
}

// Down ends everything in the order of the flow of data, so that each part can hand on what
// it holds. When ctx is done the rest is killed. A process that had ended before is no error
// here: Failed has told of it.
func (s *Stack) Down(ctx context.Context) error {
	defer s.kill()
	var errs []error
	for _, p := range []*Process{s.Sidecar.Process, s.Load, s.Service.Process, s.Prometheus.Process} {
		select {
		case <-p.Done():
		default:
			errs = append(errs, p.Stop(ctx, stopTimeout))
		}
	}
	return errors.Join(errs...)
}

// kill ends whatever is still running, at once.
func (s *Stack) kill() {
	if s.Sidecar != nil {
		s.Sidecar.Kill()
	}
	if s.Load != nil {
		s.Load.Kill()
	}
	if s.Service != nil {
		s.Service.Kill()
	}
	if s.Prometheus != nil {
		s.Prometheus.Kill()
	}
	if s.Pyroscope != nil {
		_ = s.Pyroscope.Stop() // it has nothing to lose
		s.Pyroscope = nil
	}
}
