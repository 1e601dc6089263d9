package stack

import (
	"context"
	"io"
	"net"
	"sync"
)

// Relay takes connections from a listener, such as one in another network namespace, and
// joins each to one that dial opens, until ctx is done. It owns the listener.
func Relay(ctx context.Context, from net.Listener, dial func() (net.Conn, error)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer context.AfterFunc(ctx, func() { from.Close() })()
	for {
		a, err := from.Accept()
		if err != nil {
			return
		}
		wg.Go(func() { join(ctx, a, dial) })
	}
}

// join copies between a and what dial opens until either end is closed.
func join(ctx context.Context, a net.Conn, dial func() (net.Conn, error)) {
	defer a.Close()
	b, err := dial()
	if err != nil {
		return // which is what the other side sees of a server that is down
	}
	defer b.Close()
	defer context.AfterFunc(ctx, func() { a.Close(); b.Close() })()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(a, b); a.Close(); b.Close() })
	wg.Go(func() { _, _ = io.Copy(b, a); a.Close(); b.Close() })
	wg.Wait()
}
