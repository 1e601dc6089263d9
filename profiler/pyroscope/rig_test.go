package pyroscope

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// memoryNet is a network of one address that exists only in memory, so that it works in a
// synctest bubble.
type memoryNet struct {
	conns  chan net.Conn
	closed chan struct{}
	mu     sync.Mutex
	down   bool
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
func (n *memoryNet) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4040} }

func (n *memoryNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	down := n.down
	n.mu.Unlock()
	if down {
		return nil, fmt.Errorf("connection refused")
	}
	client, server := net.Pipe()
	select {
	case n.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// setDown takes the network down for new connections. Idle ones are closed by the caller.
func (n *memoryNet) setDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

// rig is a manager with one endpoint, "p", in memory.
type rig struct {
	*Manager
	t       *testing.T
	server  *server
	network *memoryNet
	config  *Config
	reg     *prometheus.Registry
	stop    func()
}

func newRig(t *testing.T, opts Options) *rig {
	t.Helper()
	r := &rig{
		t:       t,
		server:  &server{t: t},
		network: &memoryNet{conns: make(chan net.Conn), closed: make(chan struct{})},
		config:  &Config{URL: mustURL(t, "http://127.0.0.1:4040"), Name: "p"},
		reg:     prometheus.NewRegistry(),
	}
	srv := &http.Server{Handler: r.server}
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(r.network) }()
	opts.Logger, opts.Registerer, opts.dial = slog.New(slog.DiscardHandler), r.reg, r.network.dial
	r.Manager = New(opts)
	r.apply(r.config)
	t.Cleanup(func() {
		if r.stop != nil {
			r.stop()
		}
		r.account()
		srv.Close()
		<-served
	})
	return r
}

func (r *rig) apply(configs ...*Config) {
	r.t.Helper()
	if err := r.Apply(configs, labels.EmptyLabels()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
}

// push queues a profile of now that is called id.
func (r *rig) push(id string, size ...int) {
	r.t.Helper()
	if err := r.Append(makeProfile(id, time.Now(), size...)); err != nil {
		r.t.Fatal(err)
	}
}

// account checks that every profile is somewhere.
func (r *rig) account() {
	r.t.Helper()
	dropped := 0.0
	for _, reason := range []string{lostQueueFull, lostExpired, lostTooLarge, lostRejected, lostInvalidLabels, lostEndpointRemoved} {
		dropped += r.dropped(reason)
	}
	queued := 0
	for _, s := range r.Status() {
		queued += s.Queued
	}
	in, out := r.value(r.metrics.queued), r.value(r.metrics.delivered)
	if in != out+dropped+float64(queued) {
		r.t.Errorf("account: %v queued, but %v delivered + %v dropped + %d waiting", in, out, dropped, queued)
	}
}

func (r *rig) value(v *prometheus.CounterVec) float64 {
	return testutil.ToFloat64(v.WithLabelValues("p"))
}

func (r *rig) dropped(reason string) float64 {
	return testutil.ToFloat64(r.metrics.dropped.WithLabelValues("p", reason))
}

func (r *rig) status() telemetry.EndpointStatus {
	r.t.Helper()
	all := r.Status()
	if len(all) != 1 {
		r.t.Fatalf("%d endpoints", len(all))
	}
	return all[0]
}

// expectQueue fails unless n profiles wait.
func (r *rig) expectQueue(n int) {
	r.t.Helper()
	if s := r.status(); s.Queued != n {
		r.t.Errorf("%d profiles wait, want %d", s.Queued, n)
	}
}

func mustURL(t *testing.T, s string) *promconfig.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return &promconfig.URL{URL: u}
}

// makeProfile makes a goroutine profile called id, as if it were of the given uncompressed
// size.
func makeProfile(id string, at time.Time, size ...int) *telemetry.Profile {
	f := &profile.Function{ID: 1, Name: "main.main"}
	l := &profile.Location{ID: 1, Line: []profile.Line{{Function: f}}}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "goroutine", Unit: "count"}},
		PeriodType: &profile.ValueType{Type: "goroutine", Unit: "count"},
		Sample:     []*profile.Sample{{Location: []*profile.Location{l}, Value: []int64{3}}},
		Location:   []*profile.Location{l},
		Function:   []*profile.Function{f},
		TimeNanos:  at.UnixNano(),
	}
	if len(size) > 0 {
		p.Comments = []string{strings.Repeat("x", size[0])}
	}
	var raw, data bytes.Buffer
	if err := p.WriteUncompressed(&raw); err != nil {
		panic(err)
	}
	zw := gzip.NewWriter(&data)
	_, _ = zw.Write(raw.Bytes())
	_ = zw.Close()
	u, _ := url.Parse("http://127.0.0.1:8080/debug/pprof")
	return &telemetry.Profile{
		Target: &telemetry.Target{
			Job: "checkout", URL: u,
			Labels: labels.FromStrings("job", "checkout", "instance", "pod-1:8080", "id", id),
		},
		Type: "goroutine", Series: "goroutine", Time: at, Data: data.Bytes(), Size: raw.Len(),
	}
}
