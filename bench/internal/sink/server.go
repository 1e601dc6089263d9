package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/encoding/protowire"
)

// maxKept bounds the bodies that wait to be checked, more than ten times what the largest
// load sends. What comes after that is refused, and missing in the count.
const maxKept = 2 << 30

// maxBody is the largest body that is taken.
const maxBody = 64 << 20

// request is one request as it came.
type request struct {
	at       time.Time
	protocol Protocol
	body     []byte
}

// Stats is what is known while requests come in.
type Stats struct {
	Requests int   `json:"requests"`
	Bytes    int64 `json:"bytes"`
}

// Server is the receiver. It takes requests under /api/v1/write, answers /stats with Stats,
// and /check?from=NANOS&to=NANOS with a Check of everything that has come so far, after
// which it takes nothing more.
type Server struct {
	door net.Listener

	mu    sync.Mutex
	stats Stats
	kept  []request
	// closed is set once the count is made.
	closed bool
}

// Listen opens the door on loopback. Run serves and closes it.
func Listen() (*Server, error) {
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open sink: %w", err)
	}
	return &Server{door: door}, nil
}

// Address is where it listens.
func (s *Server) Address() string { return s.door.Addr().String() }

// Run serves until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(s.door); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return g.Wait()
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/write", s.write)
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		stats := s.stats
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(stats) // the client sees a short answer
	})
	mux.HandleFunc("GET /check", func(w http.ResponseWriter, r *http.Request) {
		from, err := nanos(r.FormValue("from"))
		to, err2 := nanos(r.FormValue("to"))
		if err := errors.Join(err, err2); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(s.check(from, to))
	})
	return mux
}

func nanos(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read time: %w", err)
	}
	return time.Unix(0, n), nil
}

func (s *Server) write(w http.ResponseWriter, r *http.Request) {
	protocol, err := protocolOf(r.Header)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnsupportedMediaType)
		return
	}
	body, err := readBody(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if protocol == V2 { // its sender wants to hear what was written
		samples, err := count(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h := w.Header()
		h.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(samples))
		h.Set("X-Prometheus-Remote-Write-Histograms-Written", "0")
		h.Set("X-Prometheus-Remote-Write-Exemplars-Written", "0")
	}
	if !s.keep(request{at: time.Now(), protocol: protocol, body: body}) {
		http.Error(w, "the count is closed", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func readBody(r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, fmt.Errorf("read body: %d bytes are too many", r.ContentLength)
	}
	if r.ContentLength < 0 {
		return io.ReadAll(io.LimitReader(r.Body, maxBody))
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return body, nil
}

// count returns the number of samples in a 2.0 request.
func count(body []byte) (samples int, err error) {
	var u unpacker
	msg, err := u.unpack(V2, body)
	if err != nil {
		return 0, err
	}
	err = fields(msg, func(num protowire.Number, series []byte, _ uint64) error {
		if num != 5 {
			return nil
		}
		return fields(series, func(num protowire.Number, _ []byte, _ uint64) error {
			if num == 2 {
				samples++
			}
			return nil
		})
	})
	return samples, err
}

// keep says whether the request was taken.
func (s *Server) keep(r request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.stats.Bytes > maxKept {
		return false
	}
	s.stats.Requests++
	s.stats.Bytes += int64(len(r.body))
	s.kept = append(s.kept, r)
	return true
}

func (s *Server) check(from, to time.Time) Check {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	c := newChecker()
	for _, r := range s.kept {
		c.add(r, !r.at.Before(from) && r.at.Before(to))
	}
	return c.finish()
}
