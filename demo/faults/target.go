package faults

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// lifeHeader names the life of the sidecar that asks for a body, so that a body which a killed
// process had asked for is not taken for one of its successor.
const lifeHeader = "X-Campaign-Life"

// Served is one body that went out whole.
type Served struct {
	N            int
	Life         int // of the sidecar that asked
	Began, Ended time.Time
}

// Target is a service that is scraped. It counts its bodies and writes down those that it
// handed to the network to the last byte.
type Target struct {
	name  string
	shape shape
	// URL is that of its metrics, Address the part that a configuration names.
	URL, Address string

	mu     sync.Mutex
	next   int
	log    []Served
	asked  []time.Time // when each request came, whatever became of it
	buf    sync.Pool
	server *http.Server
	done   chan struct{}
}

// newTarget starts a target on a free port of loopback.
func newTarget(name string, s shape) (*Target, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start target: %w", err)
	}
	t := &Target{
		name: name, shape: s, Address: l.Addr().String(), URL: "http://" + l.Addr().String() + "/metrics",
		next: 1, done: make(chan struct{}),
	}
	t.buf.New = func() any { return new([]byte) }
	t.server = &http.Server{Handler: http.HandlerFunc(t.serve), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(t.done)
		_ = t.server.Serve(l) // ends with close
	}()
	return t, nil
}

func (t *Target) serve(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	life, _ := strconv.Atoi(r.Header.Get(lifeHeader))
	t.mu.Lock()
	n := t.next
	t.next++
	t.asked = append(t.asked, began)
	t.mu.Unlock()

	b := t.buf.Get().(*[]byte)
	defer t.buf.Put(b)
	*b = t.shape.render((*b)[:0], n)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(*b)))
	if _, err := w.Write(*b); err != nil {
		return
	}
	if err := http.NewResponseController(w).Flush(); err != nil || r.Context().Err() != nil {
		return
	}
	s := Served{N: n, Life: life, Began: began, Ended: time.Now()}
	t.mu.Lock()
	t.log = append(t.log, s)
	t.mu.Unlock()
}

// Log returns what was served so far.
func (t *Target) Log() []Served {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Served(nil), t.log...)
}

// Asked returns when requests came, those included that were not served whole.
func (t *Target) Asked() []time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]time.Time(nil), t.asked...)
}

// Count is how many bodies were served whole.
func (t *Target) Count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.log)
}

// port is that of the address.
func (t *Target) port() string {
	_, port, _ := net.SplitHostPort(t.Address)
	return port
}

// nextBody is the number of the next body.
func (t *Target) nextBody() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next
}

// skipTo makes the next body that of a number.
func (t *Target) skipTo(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = n
}

// stop ends the target and waits for that.
func (t *Target) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if t.server.Shutdown(ctx) != nil {
		t.server.Close()
	}
	<-t.done
}
