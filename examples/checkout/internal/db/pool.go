package db

import (
	"context"
	"sync/atomic"
	"time"
)

// pool bounds how many connections are in use at a time. A connection of this database has no
// state, so a token stands for it.
type pool struct {
	idle    chan struct{}
	timeout time.Duration
	waiting atomic.Int64
}

func newPool(conns int, timeout time.Duration) *pool {
	p := &pool{idle: make(chan struct{}, conns), timeout: timeout}
	for range conns {
		p.idle <- struct{}{}
	}
	return p
}

// acquire takes an idle connection and waits for one if need be. Whoever got one must release
// it.
func (p *pool) acquire(ctx context.Context) error {
	select {
	case <-p.idle:
		return nil
	default:
	}
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	timer := time.NewTimer(p.timeout)
	defer timer.Stop()
	select {
	case <-p.idle:
		return nil
	case <-timer.C:
		return ErrPoolExhausted
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) release() {
	select {
	case p.idle <- struct{}{}:
	default:
		panic("BUG: a connection was released twice")
	}
}

func (p *pool) inUse() int { return cap(p.idle) - len(p.idle) }
