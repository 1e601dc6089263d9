package pyrodouble

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	"golang.org/x/time/rate"
)

// Server is the double. It is safe for concurrent use.
type Server struct {
	opts    Options
	logger  *slog.Logger
	limiter *rate.Limiter
	store   *store
	tally   tally
	outage  atomic.Int32
}

// New makes a server that keeps its profiles below opts.Dir.
func New(opts Options) (*Server, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Limits == (Limits{}) {
		opts.Limits = DefaultLimits()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for profiles: %w", err)
	}
	return &Server{
		opts:    opts,
		logger:  opts.Logger,
		limiter: rate.NewLimiter(rate.Limit(opts.Limits.Rate), opts.Limits.Burst),
		store:   newStore(opts.Dir),
		tally:   newTally(),
	}, nil
}

// Handler returns the HTTP side: the push and query services, POST /ingest, GET /ready, and
// GET /summary with what Summary returns, as JSON.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	limit := connect.WithReadMaxBytes(s.opts.Limits.MaxBodySize)
	mux.Handle(pushv1connect.NewPusherServiceHandler(pusher{s}, limit))
	mux.Handle(querierv1connect.NewQuerierServiceHandler(querier{server: s}, limit))
	mux.HandleFunc("POST /ingest", s.ingest)
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("GET /summary", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(s.Summary()) // the client has gone; nobody is left to tell
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch Outage(s.outage.Load()) {
		case Unavailable:
			s.tally.outage()
			http.Error(w, "service unavailable", http.StatusServiceUnavailable)
		case Reset:
			s.tally.outage()
			resetConn(w)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// resetConn ends the connection without an answer.
func resetConn(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: the stream is reset instead
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // reset rather than an orderly end
	}
	conn.Close()
}

// Run serves on l until ctx is done, then gives the requests under way a second to end. It
// owns l.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if srv.Shutdown(stop) != nil {
		srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// SetOutage puts the server out of service, or with None back into it.
func (s *Server) SetOutage(o Outage) { s.outage.Store(int32(o)) }

// tenant returns whose request it is, or an unauthenticated error.
func (s *Server) tenant(h http.Header) (string, error) {
	if !s.opts.MultiTenancy {
		return "anonymous", nil
	}
	id := h.Get("X-Scope-OrgID")
	if id == "" {
		return "", connect.NewError(connect.CodeUnauthenticated, errors.New("no org id"))
	}
	if !validTenant(id) {
		return "", connect.NewError(connect.CodeUnauthenticated, fmt.Errorf("tenant ID %q contains unsupported characters or is too long", id))
	}
	return id, nil
}

// validTenant says whether id may name a tenant: at most 150 of the characters that are
// safe in a path, and not a path of its own.
func validTenant(id string) bool {
	if len(id) > 150 || id == "." || id == ".." {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '!', c == '-', c == '_', c == '.', c == '*', c == '\'', c == '(', c == ')':
		default:
			return false
		}
	}
	return true
}
