package profiler

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"outrider/telemetry"
)

// memoryNet is a network of one address that exists only in memory, so that it works in a
// synctest bubble.
type memoryNet struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (n *memoryNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *memoryNet) Close() error   { close(n.closed); return nil }
func (n *memoryNet) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080} }

func (n *memoryNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case n.conns <- server:
		return client, nil
	case <-n.closed:
		return nil, fmt.Errorf("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// service is a double of a Go service's pprof, as strict as net/http/pprof: one CPU profile
// at a time.
type service struct {
	mu       sync.Mutex
	values   map[string]stacks // by profile path
	asked    map[string][]time.Time
	running  int // CPU profiles
	most     int // CPU profiles at once, those turned away included
	foreign  bool
	override map[string]http.HandlerFunc
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/debug/pprof/")
	s.mu.Lock()
	s.asked[path] = append(s.asked[path], time.Now())
	h, values := s.override[path], s.values[path]
	s.mu.Unlock()
	var sp *spec
	for _, t := range types {
		if t.path == path {
			sp = t
		}
	}
	switch {
	case h != nil:
		h(w, r)
		return
	case sp == nil:
		http.Error(w, "Unknown profile", http.StatusNotFound)
		return
	case sp.exclusive && !s.record(w, r):
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	p := makeProfile(sp.sampleTypes, values)
	p.TimeNanos = time.Now().UnixNano()
	_ = p.Write(w)
}

// record plays a CPU profile and says whether there is one to be sent.
func (s *service) record(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	s.running++
	s.most = max(s.most, s.running)
	inUse := s.running > 1 || s.foreign
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
	}()
	if inUse {
		http.Error(w, "Could not enable CPU profiling: cpu profiling already in use", http.StatusInternalServerError)
		return false
	}
	d, _ := time.ParseDuration(r.FormValue("seconds") + "s")
	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
		return false
	}
}

func (s *service) set(f func(*service)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *service) times(path string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.asked[path]...)
}

// rig is a manager that profiles a service, all in memory.
type rig struct {
	*Manager
	service *service
	reg     *prometheus.Registry
	target  *telemetry.Target
	born    atomic.Pointer[time.Time] // start of the service's process, if known

	mu   sync.Mutex
	sent []*telemetry.Profile
	stop func()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		reg: prometheus.NewRegistry(),
		service: &service{
			asked: map[string][]time.Time{}, override: map[string]http.HandlerFunc{},
			values: map[string]stacks{
				"profile":   {"main;burn": {100, 1e9}},
				"allocs":    {"main;alloc": {10, 1000, 5, 500}},
				"goroutine": {"main;wait": {12}},
				"mutex":     {"main;lock": {3, 3e6}},
				"block":     {},
			},
		},
		target: newTarget(t, "checkout", "http://127.0.0.1:8080/debug/pprof"),
	}
	network := &memoryNet{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: r.service}
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(network) }()
	r.Manager = New(Options{
		Logger: discard(), Registerer: r.reg, UserAgent: "outrider/test",
		Sink: func(p *telemetry.Profile) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.sent = append(r.sent, p)
			return nil
		},
		Life: func(*telemetry.Target) (time.Time, bool) {
			if t := r.born.Load(); t != nil {
				return *t, true
			}
			return time.Time{}, false
		},
		dial: network.dial,
	})
	t.Cleanup(func() {
		if r.stop != nil {
			r.stop()
		}
		srv.Close()
		<-served
	})
	return r
}

func (r *rig) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
}

func (r *rig) apply(t *testing.T, c Config, targets ...*telemetry.Target) {
	t.Helper()
	err := r.Apply([]Job{{Name: "checkout", Config: c}}, map[string][]*telemetry.Target{"checkout": targets})
	if err != nil {
		t.Fatal(err)
	}
}

// of returns what was sent of a type.
func (r *rig) of(typ string) []*telemetry.Profile {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ps []*telemetry.Profile
	for _, p := range r.sent {
		if p.Type == typ {
			ps = append(ps, p)
		}
	}
	return ps
}
