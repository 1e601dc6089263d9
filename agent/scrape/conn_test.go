package scrape

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowConn gives what somebody writes bit by bit.
type slowConn struct {
	net.Conn
	mu    sync.Mutex
	more  *sync.Cond
	have  bytes.Buffer
	ended bool
	reads int
}

func (c *slowConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	for c.have.Len() == 0 {
		if c.ended {
			return 0, errors.New("reset by peer")
		}
		c.more.Wait()
	}
	return c.have.Read(p)
}

func TestPatientConn(t *testing.T) {
	const pieces, piece, pace = 250, 4 << 10, 50 * time.Microsecond
	body := make([]byte, pieces*piece)
	for i := range body {
		body[i] = byte(rand.IntN(256))
	}
	for _, size := range []int{512, 4 << 10, 64 << 10, 256 << 10} {
		t.Run(fmt.Sprint("read by ", size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := &slowConn{}
				slow.more = sync.NewCond(&slow.mu)
				go func() {
					for i := range pieces {
						time.Sleep(pace)
						slow.mu.Lock()
						slow.have.Write(body[i*piece : (i+1)*piece])
						slow.more.Signal()
						slow.mu.Unlock()
					}
					slow.mu.Lock()
					slow.ended = true
					slow.more.Signal()
					slow.mu.Unlock()
				}()
				conn := &patientConn{Conn: slow, ahead: &sync.Pool{New: func() any { return new([readAhead]byte) }}}
				start := time.Now()
				got, err := io.ReadAll(bufio.NewReaderSize(conn, size))
				if err == nil || err.Error() != "reset by peer" {
					t.Errorf("error %v", err)
				}
				if !bytes.Equal(got, body) {
					t.Errorf("%d bytes, not those that were sent", len(got))
				}
				if slow.reads > 50 {
					t.Errorf("%d reads for %d pieces", slow.reads, pieces)
				}
				if took := time.Since(start); took > pieces*pace+5*time.Millisecond {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}
