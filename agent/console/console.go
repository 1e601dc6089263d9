package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/exporter-toolkit/web"

	"outrider/telemetry"
)

const (
	// shutdownTimeout is how long requests may take to end once Run was told to.
	shutdownTimeout = 5 * time.Second

	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// writeTimeout covers what answers at once; handlers that take longer move it.
	writeTimeout   = 30 * time.Second
	maxHeaderBytes = 32 << 10
)

// Options are what the console shows and controls. The functions are called from many
// goroutines at once.
type Options struct {
	// ListenAddress is where everything is served, as host:port. Port 0 takes a free one.
	ListenAddress string
	// TelemetryAddress is where metrics and health alone are served, without TLS or
	// authentication; empty for nowhere.
	TelemetryAddress string
	// WebConfigFile holds TLS and authentication of ListenAddress, in the format of
	// exporter-toolkit; empty for neither. It is read again for each request.
	WebConfigFile string
	// ExternalURL is how people reach ListenAddress from elsewhere; may be empty.
	ExternalURL string

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer

	// Snapshot returns the state of the sidecar. The caller does not change it.
	Snapshot func() Snapshot
	// Reload reads the configuration again. Its error is shown to whoever asked.
	Reload func(context.Context) error
	// Flush scrapes and delivers everything, or says what is left when ctx is done.
	Flush func(context.Context) error
	// Capture takes one profile and returns it as gzipped pprof. No seconds means as many
	// as the type lasts by itself. An error that is an *Error chooses the status of the
	// answer; any other is taken for a failure of the service that was asked.
	Capture func(ctx context.Context, target, typ string, seconds int) ([]byte, *telemetry.Target, error)
	// Ready and Healthy return nil, or why not. A nil func means always.
	Ready   func() error
	Healthy func() error
}

// Error is an error with the HTTP status it should be answered with.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Console serves the two doors. Make one with New.
type Console struct {
	opts     Options
	logger   *slog.Logger
	metrics  *metrics
	guard    *guard
	scrapes  *lastScrapes
	now      func() time.Time
	main     *door
	tele     *door     // nil when off
	zips     sync.Pool // of *gzip.Writer
	captures chan struct{}
	own      chan struct{}
	pulls    chan struct{}
	reloads  chan struct{}
	flushes  chan struct{}
}

// door is one listener and what is served on it.
type door struct {
	listener net.Listener
	server   *http.Server
	config   string // TLS and authentication; empty for neither
}

func (d *door) addr() string { return d.listener.Addr().String() }

// New binds the listeners, so that a port that is taken stops the start. Requests are
// answered by Run; a console that is not run must be closed.
func New(opts Options) (*Console, error) {
	external, err := parseExternalURL(opts.ExternalURL)
	if err != nil {
		return nil, err
	}
	if err := web.Validate(opts.WebConfigFile); err != nil {
		return nil, fmt.Errorf("--web.config.file %s: %w", opts.WebConfigFile, err)
	}
	main, err := listen(opts.ListenAddress, "--web.listen-address")
	if err != nil {
		return nil, err
	}
	c := newConsole(opts, external, loopback(main.Addr().String()))
	c.main = c.newDoor(main, c.mainHandler(), opts.WebConfigFile)
	if opts.TelemetryAddress != "" {
		tele, err := listen(opts.TelemetryAddress, "--web.telemetry-address")
		if err != nil {
			return nil, errors.Join(err, main.Close())
		}
		c.tele = c.newDoor(tele, c.telemetryHandler(), "")
	}
	// Last, so that a failed start leaves the registry as it was.
	c.metrics.register(opts.Registerer)
	return c, nil
}

// newConsole makes all but the listeners. onLoopback says that the main door can be reached
// from this machine alone.
func newConsole(opts Options, external *url.URL, onLoopback bool) *Console {
	always := func() error { return nil }
	if opts.Ready == nil {
		opts.Ready = always
	}
	if opts.Healthy == nil {
		opts.Healthy = always
	}
	m := newMetrics(opts.ExternalURL)
	return &Console{
		opts:     opts,
		logger:   opts.Logger,
		metrics:  m,
		guard:    newGuard(opts, external, onLoopback, m),
		scrapes:  newLastScrapes(),
		now:      time.Now,
		zips:     sync.Pool{New: newZip},
		captures: make(chan struct{}, maxCaptures),
		own:      make(chan struct{}, maxOwn),
		pulls:    make(chan struct{}, maxPulls),
		reloads:  make(chan struct{}, 1),
		flushes:  make(chan struct{}, 1),
	}
}

func (c *Console) newDoor(l net.Listener, h http.Handler, config string) *door {
	return &door{
		listener: l,
		config:   config,
		server: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: readHeaderTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(serverLog{c.logger.Handler()}, slog.LevelDebug),
		},
	}
}

// Addr is where everything is served, as host:port with the port that was bound.
func (c *Console) Addr() string { return c.main.addr() }

// TelemetryAddr is where metrics and health alone are served, or empty.
func (c *Console) TelemetryAddr() string {
	if c.tele == nil {
		return ""
	}
	return c.tele.addr()
}

// Close gives the listeners back. It is only needed for a console that was never run.
func (c *Console) Close() error {
	var errs []error
	for _, d := range c.doors() {
		if err := d.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Run answers requests until ctx is done. Requests under way are then told through their
// context and get five seconds to end; what is left after that is cut off. It returns an
// error only when a door broke.
func (c *Console) Run(ctx context.Context) error {
	base, cancel := context.WithCancel(ctx)
	defer cancel()
	doors := c.doors()
	ended := make(chan error, len(doors))
	for _, d := range doors {
		d.server.BaseContext = func(net.Listener) context.Context { return base }
		c.logOpen(d)
		go func() { ended <- d.serve(c.logger) }()
	}

	var errs []error
	running := len(doors)
	select {
	case <-ctx.Done():
	case err := <-ended:
		running--
		errs = append(errs, err)
	}
	cancel()
	deadline, stop := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer stop()
	for _, d := range doors {
		if err := d.server.Shutdown(deadline); err != nil {
			c.logger.Warn("requests cut off at shutdown", "address", d.addr(), "err", err)
			_ = d.server.Close()
		}
	}
	for range running {
		errs = append(errs, <-ended)
	}
	return errors.Join(append(errs, c.Close())...)
}

func (c *Console) doors() []*door {
	if c.tele == nil {
		return []*door{c.main}
	}
	return []*door{c.main, c.tele}
}

func (c *Console) logOpen(d *door) {
	if d == c.main && c.guard.closed() {
		c.logger.Warn("listener shows health alone: its address is not loopback and has no authentication; bind loopback, or set users or client certificates in --web.config.file, or use --web.telemetry-address for metrics",
			"address", d.addr())
		return
	}
	if d == c.main && c.tele == nil && c.guard.asksForPasswords() {
		c.logger.Warn("health asks for a password here too; probes of the kubelet belong on --web.telemetry-address", "address", d.addr())
	}
	c.logger.Info("listening", "address", d.addr(), "telemetry_only", d == c.tele)
}

// serve returns nil when the server was shut down.
func (d *door) serve(logger *slog.Logger) error {
	// The toolkit announces each listener in its own words; ours say more.
	quiet := slog.New(atLeastWarn{logger.Handler()})
	err := web.Serve(d.listener, d.server, &web.FlagConfig{WebConfigFile: &d.config}, quiet)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", d.addr(), err)
}
