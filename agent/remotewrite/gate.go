package remotewrite

import (
	"context"
	"sync"
	"time"
)

// gate holds the lanes of an endpoint back while it refuses all requests, so that one of them
// tries for all: the pace of tries is one of the endpoint, however many send. The zero value
// is open.
type gate struct {
	mu     sync.Mutex
	wait   time.Duration // between two tries
	next   time.Time     // when one may try
	opened chan struct{} // closed by open; nil while it is open
}

// pass waits until the gate is open or it is time to try. The only error is ctx's.
func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		d, opened := time.Until(g.next), g.opened
		if opened == nil || d <= 0 {
			g.next = time.Now().Add(g.wait) // the others wait for what comes of it
			g.mu.Unlock()
			return ctx.Err()
		}
		g.mu.Unlock()
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-opened:
		case <-ctx.Done():
		}
		t.Stop()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// shut keeps everyone back for so long, and then all but one.
func (g *gate) shut(wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wait, g.next = wait, time.Now().Add(wait)
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

// open lets everyone pass.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}
