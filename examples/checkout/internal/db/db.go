// Package db provides a stand-in for a database: a bounded pool of connections, and queries
// that do nothing but take about as long as real ones.
package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"outrider/examples/checkout/internal/latency"
)

// ErrPoolExhausted says that no connection came free in time.
var ErrPoolExhausted = errors.New("no database connection came free")

// Query is a kind of statement.
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
	// Latency says how long queries take.
	Latency *latency.Source
	// Stall, if set, is called by each query while it holds its connection.
	Stall func(context.Context)
	// Registerer takes the db_* metrics.
	Registerer prometheus.Registerer
}

// DB is safe for concurrent use.
type DB struct {
	pool    *pool
	stall   func(context.Context)
	latency *latency.Source
	metrics *metrics
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
		latency: opts.Latency,
		metrics: newMetrics(opts.Registerer, p),
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
	err = d.latency.Wait(ctx, q.Median)
	d.metrics.duration.WithLabelValues(q.Name).Observe(time.Since(start).Seconds())
	if err != nil {
		d.metrics.failures.WithLabelValues(q.Name).Inc()
		return fmt.Errorf("query %s: %w", q.Name, err)
	}
	return nil
}
