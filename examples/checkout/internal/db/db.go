// Package db provides a stand-in for a database: a bounded pool of connections, and queries
// that do nothing but take about as long as real ones.
package db

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrPoolExhausted says that no connection came free in time.
var ErrPoolExhausted = errors.New("no database connection came free")

// Query is a kind of statement. How long one takes is drawn from a log-normal distribution.
type Query struct {
	// Name is the value of the label "query", so there must be few of them.
	Name string
	// Median is how long half of them take.
	Median time.Duration
}

// Options say how the database behaves.
type Options struct {
	// Conns is the size of the pool.
	Conns int
	// AcquireTimeout bounds the wait for a connection.
	AcquireTimeout time.Duration
	// Seed makes the sequence of latencies reproducible.
	Seed uint64
	// Stall, if set, is called by each query while it holds its connection.
	Stall func(context.Context)
	// Registerer takes the db_* metrics.
	Registerer prometheus.Registerer
}

// DB is safe for concurrent use.
type DB struct {
	pool    *pool
	stall   func(context.Context)
	metrics *metrics

	mu  sync.Mutex // guards rng
	rng *rand.Rand
}

// New makes a database whose connections are all idle. It starts no goroutine.
func New(opts Options) *DB {
	stall := opts.Stall
	if stall == nil {
		stall = func(context.Context) {}
	}
	p := newPool(opts.Conns, opts.AcquireTimeout)
	return &DB{
		pool:    p,
		stall:   stall,
		metrics: newMetrics(opts.Registerer, p),
		rng:     rand.New(rand.NewPCG(opts.Seed, 0xdb)),
	}
}

// Query runs q on a connection of the pool. It returns ErrPoolExhausted when none came free in
// time, or the context's error.
func (d *DB) Query(ctx context.Context, q Query) error {
	start := time.Now()
	err := d.pool.acquire(ctx)
	d.metrics.wait.Observe(time.Since(start).Seconds())
	if err != nil {
		d.metrics.failures.WithLabelValues(q.Name).Inc()
		return fmt.Errorf("query %s: %w", q.Name, err)
	}
	defer d.pool.release()

	start = time.Now()
	d.stall(ctx)
	err = sleep(ctx, d.latency(q.Median))
	d.metrics.duration.WithLabelValues(q.Name).Observe(time.Since(start).Seconds())
	if err != nil {
		d.metrics.failures.WithLabelValues(q.Name).Inc()
		return fmt.Errorf("query %s: %w", q.Name, err)
	}
	return nil
}

// latency draws a duration whose median is the given one. One in a hundred takes more than
// three times as long, none more than ten times.
func (d *DB) latency(median time.Duration) time.Duration {
	const sigma = 0.5
	d.mu.Lock()
	factor := math.Exp(sigma * d.rng.NormFloat64())
	d.mu.Unlock()
	return time.Duration(min(factor, 10) * float64(median))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
