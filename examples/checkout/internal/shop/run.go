package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	stopTimeout  = 10 * time.Second // for requests under way
	drainTimeout = 5 * time.Second  // for orders that wait for a worker
)

// Run serves the shop until ctx is done. Then it answers the requests under way, settles the
// orders that wait, switches the faults off and returns nil. It sets the mutex and block
// profile rates of the process while it runs. It returns an error if an address cannot be
// listened on.
func Run(ctx context.Context, cfg Config) error {
	return run(ctx, cfg, defaultSizes())
}

func run(ctx context.Context, cfg Config, sz sizes) error {
	listeners, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	defer listeners.close()
	defer enableProfiles(mutexProfileFraction, blockProfileRate)()
	if cfg.SDK {
		stop, err := startSDK(cfg.Logger, cfg.PyroscopeURL)
		if err != nil {
			return err
		}
		defer stop()
	}

	s := newShop(cfg.Logger, cfg.Seed, sz)
	defer s.faults.Close()
	mux := s.handler()
	servers := []*server{{listeners.shop, newHTTPServer(mux, cfg.Logger)}}
	if listeners.pprof == nil {
		addPprof(ctx, mux)
	} else {
		pprofMux := http.NewServeMux()
		addPprof(ctx, pprofMux)
		servers = append(servers, &server{listeners.pprof, newHTTPServer(pprofMux, cfg.Logger)})
	}
	cfg.Logger.Info("listening", "addr", listeners.shop.Addr().String(), "pprof", listeners.pprofAddr().String())
	if cfg.OnListen != nil {
		cfg.OnListen(listeners.shop.Addr(), listeners.pprofAddr())
	}
	return s.serve(ctx, servers)
}

// serve stops in this order: faults, so that nothing holds requests up; requests; workers, who
// settle what the requests left; deliveries.
func (s *shop) serve(ctx context.Context, servers []*server) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var deliveries, workers sync.WaitGroup
	deliveries.Go(func() { s.stock.run(background) })
	workers.Go(func() { s.settler.run(background) })

	g, ctx := errgroup.WithContext(ctx)
	for _, srv := range servers {
		g.Go(func() error { return srv.serve() })
		g.Go(func() error {
			<-ctx.Done()
			s.stopping.Store(true)
			s.faults.Close()
			return srv.stop()
		})
	}
	err := g.Wait()

	s.settler.drain()
	giveUp := time.AfterFunc(drainTimeout, stopBackground)
	defer giveUp.Stop()
	workers.Wait()
	stopBackground()
	deliveries.Wait()
	s.log.Info("stopped")
	return err
}

// server is an HTTP server and where it listens.
type server struct {
	listener net.Listener
	http     *http.Server
}

func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second, // the pprof handlers extend it by what they were asked for
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func (s *server) serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.listener.Addr(), err)
	}
	return nil
}

func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
		return fmt.Errorf("stop %s: %w", s.listener.Addr(), err)
	}
	return nil
}

// listeners are the addresses of the shop; pprof is nil where it shares the first.
type listeners struct{ shop, pprof net.Listener }

func listen(ctx context.Context, cfg Config) (l listeners, err error) {
	var lc net.ListenConfig
	if l.shop, err = lc.Listen(ctx, "tcp", cfg.Listen); err != nil {
		return l, fmt.Errorf("listen for the shop: %w", err)
	}
	if cfg.PprofListen == "" {
		return l, nil
	}
	if l.pprof, err = lc.Listen(ctx, "tcp", cfg.PprofListen); err != nil {
		l.close()
		return l, fmt.Errorf("listen for pprof: %w", err)
	}
	return l, nil
}

func (l listeners) pprofAddr() net.Addr {
	if l.pprof == nil {
		return l.shop.Addr()
	}
	return l.pprof.Addr()
}

// close is for when no server has taken the listeners over; closing twice does no harm.
func (l listeners) close() {
	_ = l.shop.Close()
	if l.pprof != nil {
		_ = l.pprof.Close()
	}
}
