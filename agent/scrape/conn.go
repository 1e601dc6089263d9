package scrape

import (
	"context"
	"net"
	"sync"
	"time"
)

// patientConn reads less often. A service writes a large exposition in pieces of some
// kilobytes while it makes it; to read each of them as it comes wakes the sidecar hundreds of
// times. Where more is to come and nothing is there, it lets it come together for a moment.
type patientConn struct {
	net.Conn
	ahead *sync.Pool // of *[readAhead]byte

	buf      *[readAhead]byte // nil: nothing was read ahead
	from, to int              // what of it is left
	filled   bool             // the last read filled what it was given, so more is to come
	short    bool             // the last read had room for much more than there was
}

const (
	readAhead = 64 << 10
	// patience is small beside what a service needs for an exposition of that size.
	patience = time.Millisecond
)

// Read is not for concurrent use, as that of any reader.
func (c *patientConn) Read(p []byte) (int, error) {
	if c.buf != nil {
		return c.handOut(p), nil
	}
	if len(p) >= readAhead/2 {
		if c.short {
			time.Sleep(patience)
		}
		n, err := c.Conn.Read(p)
		c.short, c.filled = n < len(p)/2, n == len(p)
		return n, err
	}
	c.short = false
	if !c.filled {
		n, err := c.Conn.Read(p)
		c.filled = n == len(p)
		return n, err
	}
	time.Sleep(patience)
	c.buf = c.ahead.Get().(*[readAhead]byte)
	n, err := c.Conn.Read(c.buf[:])
	c.from, c.to, c.filled = 0, n, n == readAhead
	return c.handOut(p), err
}

func (c *patientConn) handOut(p []byte) int {
	n := copy(p, c.buf[c.from:c.to])
	if c.from += n; c.from == c.to {
		c.ahead.Put(c.buf)
		c.buf = nil
	}
	return n
}

// dialPatiently returns a dialer of connections that share what they read ahead with.
func dialPatiently() func(ctx context.Context, network, address string) (net.Conn, error) {
	ahead := &sync.Pool{New: func() any { return new([readAhead]byte) }}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &patientConn{Conn: conn, ahead: ahead}, nil
	}
}
