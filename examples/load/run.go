package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config says what to send and where.
type Config struct {
	// Target is the base URL of the checkout service.
	Target string
	// Rate is how many requests are sent each second.
	Rate float64
	// For is how long: Rate times For requests become due. Zero is until the context is done.
	For time.Duration
	// Seed makes the mix reproducible.
	Seed uint64
	// Prefix begins the names of carts and orders. Empty takes one from the clock.
	Prefix string
	// MaxInFlight bounds the requests under way, 64 if it is zero. What is due beyond it is
	// dropped and counted.
	MaxInFlight int
	// Timeout is for one request, 10 s if it is zero.
	Timeout time.Duration
	// Faults are switched on before the first request and off after the last: names, or
	// name=level.
	Faults []string
	// Progress, if set, is called with the state so far at every ProgressEvery.
	Progress      func(Summary)
	ProgressEvery time.Duration
	// Transport carries the requests; nil makes one that ends with the run.
	Transport http.RoundTripper
}

func (c *Config) check() error {
	u, err := url.Parse(c.Target)
	switch {
	case err != nil:
		return fmt.Errorf("target: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("target %q: it must be a URL such as http://127.0.0.1:8080", c.Target)
	case !(c.Rate > 0 && c.Rate <= 100_000):
		return fmt.Errorf("rate %v: it must be above 0 and at most 100000 requests per second", c.Rate)
	case c.For < 0 || c.MaxInFlight < 0 || c.Timeout < 0 || c.ProgressEvery < 0:
		return errors.New("a negative duration or bound")
	}
	return nil
}

// Run sends requests until the configured time is over or ctx is done, and waits for those
// under way. Neither ctx nor requests that fail are errors: they show in the summary. It
// returns an error for a bad configuration, and when a fault cannot be switched.
func Run(ctx context.Context, cfg Config) (Summary, error) {
	if err := cfg.check(); err != nil {
		return Summary{}, err
	}
	r := newRunner(cfg)
	defer r.close()
	defer r.faultsOff()
	if err := r.faultsOn(ctx); err != nil {
		return Summary{}, err
	}
	r.run(ctx)
	return r.summary(), nil
}

type runner struct {
	cfg    Config
	client *http.Client
	close  func()
	start  time.Time
	slots  chan struct{}

	mu        sync.Mutex
	latencies latencies
	counts    Summary
}

func newRunner(cfg Config) *runner {
	cfg.Target = strings.TrimSuffix(cfg.Target, "/")
	if cfg.MaxInFlight == 0 {
		cfg.MaxInFlight = 64
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Prefix == "" {
		cfg.Prefix = fmt.Sprintf("%x", time.Now().UnixNano())
	}
	r := &runner{cfg: cfg, close: func() {}, slots: make(chan struct{}, cfg.MaxInFlight)}
	if cfg.Transport == nil {
		t := &http.Transport{MaxIdleConns: cfg.MaxInFlight, MaxIdleConnsPerHost: cfg.MaxInFlight, DisableCompression: true}
		r.cfg.Transport, r.close = t, t.CloseIdleConnections
	}
	r.client = &http.Client{Transport: r.cfg.Transport, Timeout: cfg.Timeout}
	r.counts.Codes = map[int]int{}
	return r
}

func (r *runner) run(ctx context.Context) {
	r.start = time.Now()
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if r.cfg.Progress != nil && r.cfg.ProgressEvery > 0 {
		wg.Go(func() { r.report(ctx) })
	}
	mix := NewMix(r.cfg.Seed, r.cfg.Prefix)
	for i := 0; ; i++ {
		// Each is due at a time of its own: being late once does not slow the rest down.
		offset := time.Duration(float64(i) / r.cfg.Rate * float64(time.Second))
		if r.cfg.For > 0 && offset >= r.cfg.For {
			return
		}
		due := r.start.Add(offset)
		if !sleepUntil(ctx, due) {
			return
		}
		req := mix.Next()
		select {
		case r.slots <- struct{}{}:
			wg.Go(func() {
				defer func() { <-r.slots }()
				r.send(req, due)
			})
		default:
			r.mu.Lock()
			r.counts.Dropped++
			r.mu.Unlock()
		}
	}
}

func (r *runner) report(ctx context.Context) {
	ticker := time.NewTicker(r.cfg.ProgressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.cfg.Progress(r.summary())
		case <-ctx.Done():
			return
		}
	}
}

// send is not canceled with the run, so that the last requests count like the others.
func (r *runner) send(req Request, due time.Time) {
	code, err := r.do(req)
	took := time.Since(due)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Requests++
	r.latencies.add(took)
	if err == nil {
		r.counts.Codes[code]++
		if code < 500 {
			return
		}
		err = fmt.Errorf("%s %s: status %d", req.Method, req.Path, code)
	}
	r.counts.Errors++
	r.counts.LastError = err.Error()
}

func (r *runner) do(req Request) (code int, err error) {
	hr, err := http.NewRequestWithContext(context.Background(), req.Method, r.cfg.Target+req.Path, strings.NewReader(req.Body))
	if err != nil {
		return 0, err
	}
	if req.Body != "" {
		hr.Header.Set("Content-Type", "application/json")
	}
	hr.Header.Set("Traceparent", req.TraceParent)
	hr.Header.Set("User-Agent", "outrider-loadgen")
	resp, err := r.client.Do(hr)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	return resp.StatusCode, nil
}

func (r *runner) summary() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.counts
	s.Codes = maps.Clone(s.Codes)
	s.P50, s.P99, s.Max = r.latencies.quantile(.5), r.latencies.quantile(.99), r.latencies.max
	s.Elapsed = time.Since(r.start)
	return s
}

// sleepUntil returns false if ctx is done.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
