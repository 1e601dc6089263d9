package target

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"outrider/bench/internal/load"
)

// Body is one body that was asked for.
type Body struct {
	Serial int   `json:"serial"`
	Millis int64 `json:"ms"`    // when it was asked for
	Whole  bool  `json:"whole"` // all of its bytes were taken
}

// Addresses are where a Server listens.
type Addresses struct {
	Control string   `json:"control"` // answers /bodies with [][]Body, by target
	Targets []string `json:"targets"`
}

// Server serves /metrics of the targets of a load, each on a port of its own.
type Server struct {
	load    load.Load
	gzip    bool
	doors   []net.Listener
	control net.Listener
	targets []*service
}

// service is one target.
type service struct {
	mu     sync.Mutex
	bodies *Bodies
	log    []Body
	buf    []byte
}

// Listen opens the doors of a server on loopback. Run serves and closes them. Bodies
// are compressed for clients that ask for it only when gzip is set.
func Listen(l load.Load, gzip bool) (*Server, error) {
	s := &Server{load: l, gzip: gzip}
	for i := range l.Targets {
		door, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.close()
			return nil, fmt.Errorf("open target: %w", err)
		}
		s.doors = append(s.doors, door)
		s.targets = append(s.targets, &service{bodies: NewBodies(l.Series, l.Churn, uint64(i+1))})
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.close()
		return nil, fmt.Errorf("open target: %w", err)
	}
	s.control = control
	return s, nil
}

func (s *Server) close() {
	for _, d := range s.doors {
		d.Close()
	}
}

// Addresses returns where it listens.
func (s *Server) Addresses() Addresses {
	a := Addresses{Control: s.control.Addr().String()}
	for _, d := range s.doors {
		a.Targets = append(a.Targets, d.Addr().String())
	}
	return a
}

// Run serves until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	serve := func(door net.Listener, h http.Handler) {
		server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		g.Go(func() error {
			if err := server.Serve(door); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			return server.Close()
		})
	}
	for i, door := range s.doors {
		serve(door, s.metrics(s.targets[i]))
	}
	serve(s.control, http.HandlerFunc(s.bodies))
	return g.Wait()
}

// metrics serves the next body of a target. One client at a time is served, which is what
// a target of a benchmark has.
func (s *Server) metrics(t *service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		asked := time.Now()
		serial, body := t.bodies.Next(t.buf[:0])
		t.buf = body
		h := w.Header()
		h.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
		if s.gzip && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = compress(body)
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		_, err := w.Write(body)
		if err == nil {
			err = http.NewResponseController(w).Flush()
		}
		t.log = append(t.log, Body{Serial: serial, Millis: asked.UnixMilli(), Whole: err == nil})
	})
}

// compress is what promhttp does by default.
func compress(body []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(body) // a bytes.Buffer takes everything
	_ = z.Close()
	return out.Bytes()
}

func (s *Server) bodies(w http.ResponseWriter, _ *http.Request) {
	all := make([][]Body, len(s.targets))
	for i, t := range s.targets {
		t.mu.Lock()
		all[i] = append([]Body{}, t.log...)
		t.mu.Unlock()
	}
	_ = json.NewEncoder(w).Encode(all) // the client sees a short answer
}

// Announce writes the addresses as one line for the process that started this one.
func Announce(w io.Writer, addresses any) error {
	if err := json.NewEncoder(w).Encode(addresses); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return nil
}
