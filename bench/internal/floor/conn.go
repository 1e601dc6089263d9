package floor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// conn is a kept connection that speaks as little HTTP as the programs of this module need:
// answers with a length, or without a body.
type conn struct {
	net net.Conn
	r   *bufio.Reader
}

// timeout bounds one exchange.
const timeout = 10 * time.Second

func dial(address string) (*conn, error) {
	c, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return &conn{net: c, r: bufio.NewReaderSize(c, 4<<10)}, nil
}

// exchange sends a request and reads the answer into buf, which grows as needed.
func (c *conn) exchange(head, body, buf []byte) ([]byte, error) {
	if err := c.net.SetDeadline(time.Now().Add(timeout)); err != nil {
		return buf, err
	}
	if _, err := (&net.Buffers{head, body}).WriteTo(c.net); err != nil {
		return buf, fmt.Errorf("send: %w", err)
	}
	status, err := c.r.ReadSlice('\n')
	if err != nil {
		return buf, fmt.Errorf("read status: %w", err)
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 20")) {
		return buf, fmt.Errorf("read status: %q", strings.TrimSpace(string(status)))
	}
	length := 0
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return buf, fmt.Errorf("read header: %w", err)
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && string(name) == "Content-Length" {
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return buf, errors.New("read header: bad length")
			}
		}
	}
	if cap(buf) < length {
		buf = make([]byte, length+length/16)
	}
	buf = buf[:length]
	if _, err := io.ReadFull(c.r, buf); err != nil {
		return buf, fmt.Errorf("read body: %w", err)
	}
	return buf, nil
}
