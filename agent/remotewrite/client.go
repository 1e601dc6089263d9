package remotewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"

	"outrider/agent/backoff"
)

const defaultTimeout = 30 * time.Second

// client posts requests to one endpoint.
type client struct {
	http      *http.Client
	url       string
	headers   map[string]string
	timeout   time.Duration
	userAgent string
}

func newClient(cfg *Config, name, userAgent string) (*client, error) {
	hc, err := promconfig.NewClientFromConfig(cfg.HTTPClient, "remote_write_"+name, promconfig.WithUserAgent(userAgent))
	if err != nil {
		return nil, fmt.Errorf("make HTTP client: %w", err)
	}
	hc.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		// A redirect that turns the POST into a GET leads to a login page, whose 200 would
		// pass for a delivery.
		if !cfg.HTTPClient.FollowRedirects || req.Method != http.MethodPost || len(via) > 5 {
			return http.ErrUseLastResponse
		}
		return nil
	}
	c := &client{http: hc, url: cfg.URL.String(), headers: cfg.Headers, timeout: time.Duration(cfg.RemoteTimeout), userAgent: userAgent}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	return c, nil
}

// post sends a record once and reads the answer. attempt counts from 0.
func (c *client) post(ctx context.Context, r record, attempt int) answer {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(r.data))
	if err != nil {
		return answer{verdict: misconfigured, reason: "request", err: err}
	}
	for k, v := range c.headers {
		req.Header.Set(k, v)
		if strings.EqualFold(k, "Host") {
			req.Host = v
		}
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", r.message.contentType())
	req.Header.Set("X-Prometheus-Remote-Write-Version", r.message.version())
	req.Header.Set("User-Agent", c.userAgent)
	if attempt > 0 {
		req.Header.Set("Retry-Attempt", strconv.Itoa(attempt))
	}

	resp, err := c.http.Do(req)
	if err != nil {
		return networkAnswer(err)
	}
	body := backoff.DrainBody(resp)
	a := answer{status: resp.StatusCode, reason: strconv.Itoa(resp.StatusCode), written: readWritten(resp.Header)}
	a.verdict = classify(r, a.status, body, a.written)
	if a.verdict != delivered {
		a.err = &statusError{status: resp.StatusCode, body: body}
	}
	a.retryAfter, _ = backoff.RetryAfter(resp.Header, time.Now())
	return a
}

// networkAnswer is that of no answer at all. Whether the receiver got the request is not
// known: the same bytes are sent again.
func networkAnswer(err error) answer {
	a := answer{verdict: passing, reason: "network", err: err}
	var ue *url.Error
	if errors.As(err, &ue) {
		a.err = ue.Err // without the URL, which may hold a token
	}
	var ne net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout() {
		a.reason = "timeout"
	}
	return a
}
