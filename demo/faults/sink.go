package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// mode is how the receiver behaves.
type mode int

const (
	modeUp        mode = iota // stores and answers
	modeSlow                  // the same, after some time
	modeBusy                  // 503, stores nothing
	modeDown                  // nobody listens
	modeMute                  // reads requests, neither stores nor answers
	modeMuteAfter             // stores, and never answers
	modeDieAfter              // stores the next request, and is gone before it answers
)

func (m mode) String() string {
	return [...]string{"up", "slow", "busy", "down", "mute", "mute after storing", "dies after storing"}[m]
}

// reply is what the receiver answers to a request that it has understood.
type reply struct {
	status     int
	body       string
	store      []sample // of the request
	noWritten  bool     // leave out the headers of 2.0
	retryAfter string
}

// taken stores all and says so.
func taken(r request) reply { return reply{status: http.StatusNoContent, store: r.samples} }

// call is one request as the receiver saw it, for cases that count them.
type call struct {
	arrived time.Time
	status  int // 0: no answer
	v2      bool
	stored  int
	samples []sample
}

// sink is a strict remote-write receiver that keeps books. It can be hurt: to a client it
// then looks like a server that was killed, whose port is closed or whose machine is gone.
type sink struct {
	*book
	// URL is where it takes remote writes.
	URL     string
	address string

	mu        sync.Mutex
	mode      mode
	answer    func(request) reply // nil: all is taken
	server    *http.Server        // nil while nobody listens
	serving   chan struct{}
	events    []event
	calls     []call
	keepCalls bool
	malformed violations
	delay     time.Duration // of modeSlow
	timeout   time.Duration // after which the sidecar gives a request up
	lanes     int           // requests that may be in flight
	logTo     io.Writer     // nil: nothing is logged
}

// newSink starts a receiver on loopback. timeout and lanes say how the sidecar is configured.
func newSink(timeout time.Duration, lanes int) (*sink, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &sink{book: newBook(), address: address, URL: "http://" + address + "/api/v1/write", timeout: timeout, lanes: lanes, delay: 150 * time.Millisecond}
	if err := s.listen(); err != nil {
		return nil, err
	}
	return s, nil
}

// listen opens the port. s.mu is not needed before the sink is shared, and held after.
func (s *sink) listen() error {
	var l net.Listener
	var err error
	for range 50 { // what of the last life is still being closed may hold the port
		if l, err = net.Listen("tcp", s.address); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("start the receiver: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if tcp, ok := c.(*net.TCPConn); ok && state == http.StateNew {
			_ = tcp.SetLinger(0) // closed is reset, as by a kill
		}
	}
	s.server, s.serving = server, make(chan struct{})
	serving := s.serving
	go func() {
		defer close(serving)
		_ = server.Serve(l) // ends with close
	}()
	return nil
}

// set changes the mode. Going down is a kill: every connection is reset.
func (s *sink) set(m mode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = m
	s.logf("is %s", m)
	if m == modeDown {
		s.down()
		return nil
	}
	if s.server == nil {
		return s.listen()
	}
	return nil
}

// down ends the server as a kill would. s.mu is held.
func (s *sink) down() {
	if s.server == nil {
		return
	}
	s.events = append(s.events, event{time.Now(), s.lanes, eventReceiver})
	s.server.Close()
	s.server = nil
}

// close ends the sink for good.
func (s *sink) close() {
	s.mu.Lock()
	server, serving := s.server, s.serving
	s.server = nil
	s.mu.Unlock()
	if server != nil {
		server.Close()
	}
	<-serving
}

func (s *sink) current() mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode
}

// reply has the sink answer as f says; nil means that all is taken again.
func (s *sink) reply(f func(request) reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *sink) decide(r request) reply {
	s.mu.Lock()
	f := s.answer
	s.mu.Unlock()
	if f == nil {
		return taken(r)
	}
	return f(r)
}

func (s *sink) serve(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return // a client that has gone
	}
	req, err := s.understand(r, body)
	m := s.current()
	rep := reply{status: http.StatusBadRequest}
	switch {
	case err != nil:
		rep.body = err.Error()
	case m == modeBusy:
		rep = reply{status: http.StatusServiceUnavailable, body: "busy"}
	case m == modeMute:
		<-r.Context().Done()
		return
	default:
		if m == modeSlow {
			select {
			case <-time.After(s.delay):
			case <-r.Context().Done(): // it is stored all the same, as by a server that has read it
			}
		}
		rep = s.decide(req)
	}
	s.note(m, call{arrived: arrived, status: rep.status, v2: req.v2, stored: len(rep.store), samples: req.samples})
	if len(rep.store) > 0 {
		s.store(arrived, rep.store)
	}
	switch m {
	case modeDieAfter:
		s.mu.Lock()
		s.mode = modeDown
		s.down()
		s.mu.Unlock()
		<-r.Context().Done()
		return
	case modeMuteAfter:
		<-r.Context().Done()
		s.timedOut(arrived)
		return
	}
	s.write(w, req, rep)
	s.timedOut(arrived) // on a busy machine an answer may be too late whatever the mode
}

// timedOut notes that a stored request got no answer in time, if so: else there was a kill,
// which is noted already, or all is well.
func (s *sink) timedOut(arrived time.Time) {
	if time.Since(arrived) < s.timeout*8/10 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event{time.Now(), 1, eventTimeout})
}

// understand checks and decodes a request.
func (s *sink) understand(r *http.Request, body []byte) (request, error) {
	req, err := decode(r.Header.Get("Content-Type"), body)
	want := "application/x-protobuf|0.1.0"
	if req.v2 {
		want = "application/x-protobuf;proto=io.prometheus.write.v2.Request|2.0.0"
	}
	got := r.Header.Get("Content-Type") + "|" + r.Header.Get("X-Prometheus-Remote-Write-Version")
	switch {
	case err != nil:
	case r.Method != http.MethodPost || r.Header.Get("Content-Encoding") != "snappy":
		err = errors.New("not a POST of snappy")
	case got != want:
		err = fmt.Errorf("content type and version are %s", got)
	}
	if err != nil {
		s.mu.Lock()
		s.malformed.add("%v", err)
		s.mu.Unlock()
	}
	return req, err
}

func (s *sink) note(m mode, c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logTo != nil {
		s.logf("%s: stores %d of %d samples, answers %d if it does: %s", m, c.stored, len(c.samples), c.status, describe(c.samples))
	}
	if s.keepCalls {
		s.calls = append(s.calls, c)
	}
}

func (s *sink) write(w http.ResponseWriter, req request, rep reply) {
	if req.v2 && !rep.noWritten {
		stored := request{samples: rep.store}
		h := stored.histograms()
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(len(rep.store)-h))
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(h))
		w.Header().Set("X-Prometheus-Remote-Write-Exemplars-Written", "0")
	}
	if rep.retryAfter != "" {
		w.Header().Set("Retry-After", rep.retryAfter)
	}
	w.WriteHeader(rep.status)
	_, _ = io.WriteString(w, rep.body)
}

// logf writes a line of the log. s.mu is held.
func (s *sink) logf(format string, args ...any) {
	if s.logTo != nil {
		fmt.Fprintf(s.logTo, "%s %s\n", time.Now().UTC().Format("15:04:05.000"), fmt.Sprintf(format, args...))
	}
}

// What the keys of the series begin with that tell of a scrape.
var (
	keyBody = "__name__" + string([]byte{keyEquals}) + seriesBody
	keyUp   = "__name__" + string([]byte{keyEquals}) + "up" + string([]byte{keyEnd})
)

// describe says which bodies samples are of.
func describe(samples []sample) string {
	var b strings.Builder
	for _, s := range samples {
		if strings.HasPrefix(s.key, keyBody) || strings.HasPrefix(s.key, keyUp) {
			l := labelsOf(s.key)
			fmt.Fprintf(&b, "%s{%s%s}@%d=%v ", l["__name__"], l["target"], l["job"], s.timeMs, math.Float64frombits(s.bits))
		}
	}
	return b.String()
}

// Calls returns the requests so far, where they are kept.
func (s *sink) Calls() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]call(nil), s.calls...)
}

// Events returns what excuses repeats so far.
func (s *sink) Events() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event(nil), s.events...)
}

// trouble changes the mode at random moments until ctx is done: up about half of the time.
func (s *sink) trouble(ctx context.Context, rng *random) error {
	for ctx.Err() == nil {
		m, span := modeUp, rng.between(300*time.Millisecond, 2*time.Second)
		switch rng.n(12) {
		case 0, 1, 2:
		case 3, 4:
			m = modeSlow
		case 5:
			m = modeBusy
		case 6, 7:
			m = modeDown
		case 8:
			m = modeMute
			span += s.timeout
		case 9:
			m = modeMuteAfter
			span += s.timeout
		default:
			m = modeDieAfter
		}
		if err := s.set(m); err != nil {
			return err
		}
		sleep(ctx, span)
	}
	return s.set(modeUp)
}
