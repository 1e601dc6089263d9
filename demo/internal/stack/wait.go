package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// FreeAddress returns an address on host with a port that nobody listens on. The port lies
// below those that the system hands out for outgoing connections, so that none of these
// takes it before its owner does.
func FreeAddress(host string) (string, error) {
	var last error
	for range 100 {
		address := net.JoinHostPort(host, strconv.Itoa(12000+rand.IntN(18000)))
		l, err := net.Listen("tcp", address)
		if err != nil {
			last = err
			continue
		}
		return address, l.Close()
	}
	return "", fmt.Errorf("find a free port on %s: %w", host, last)
}

// Address returns port on 127.0.0.1 if nobody listens there, else a free one.
func Address(port int) (string, error) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if l, err := net.Listen("tcp", address); err == nil {
		return address, l.Close()
	}
	return FreeAddress("127.0.0.1")
}

// client keeps no connections: the servers behind it come and go. A flush takes ten seconds
// when it is in vain.
var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Get fetches a URL and returns at most 16 MiB of its body. Any status but 200 is an error.
func Get(ctx context.Context, url string) (string, error) {
	return do(ctx, client, http.MethodGet, url)
}

// Post is Get with that method.
func Post(ctx context.Context, url string) (string, error) {
	return do(ctx, client, http.MethodPost, url)
}

func do(ctx context.Context, c *http.Client, method, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", method, url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, firstLine(string(body)))
	}
	return string(body), nil
}

// answers makes a probe for Process.Await of a URL.
func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := Get(ctx, url)
		return err
	}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// Eventually calls probe every 200 ms until it returns nil, or ctx is done; the error is
// then that of the last probe that ctx did not cut short.
func Eventually(ctx context.Context, probe func(context.Context) error) error {
	return poll(ctx, nil, 200*time.Millisecond, probe)
}

// errEnded is what poll returns when the process that it waits for has ended.
var errEnded = errors.New("ended")

// poll calls probe until it returns nil, ctx is done or ended is closed.
func poll(ctx context.Context, ended <-chan struct{}, every time.Duration, probe func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last error
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}
