package stack

import (
	"context"
	"fmt"
	"net"

	"outrider/demo/pyrodouble"
)

// Pyroscope is a double of the Pyroscope server, in this process.
type Pyroscope struct {
	*pyrodouble.Server
	// URL is where profiles are pushed to.
	URL  string
	stop context.CancelFunc
	done chan error
}

// StartPyroscope starts a double. Its owner ends it with Stop.
func StartPyroscope(address string, opts pyrodouble.Options) (*Pyroscope, error) {
	server, err := pyrodouble.New(opts)
	if err != nil {
		return nil, fmt.Errorf("start the Pyroscope double: %w", err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("start the Pyroscope double: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Pyroscope{Server: server, URL: "http://" + l.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() { p.done <- server.Run(ctx, l) }()
	return p, nil
}

// Stop ends the double and waits for that.
func (p *Pyroscope) Stop() error {
	p.stop()
	return <-p.done
}
