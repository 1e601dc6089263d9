package remotewrite

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"outrider/agent/backoff"
	"outrider/agent/outbound"
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
	hc, err := outbound.NewClient(cfg.HTTPClient, "remote_write_"+name, userAgent)
	if err != nil {
		return nil, err
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
	body := &postBody{data: r.data}
	defer body.end()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, nil)
	if err != nil {
		return answer{verdict: misconfigured, reason: "request", err: err}
	}
	body.giveTo(req)
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
		// The same bytes are sent again.
		reason, cause := outbound.NoAnswer(err)
		return answer{verdict: passing, reason: reason, err: cause}
	}
	text := backoff.DrainBody(resp)
	a := answer{status: resp.StatusCode, reason: strconv.Itoa(resp.StatusCode), written: readWritten(resp.Header)}
	a.verdict = classify(r, a.status, text, a.written)
	if a.verdict != delivered {
		a.err = &statusError{status: resp.StatusCode, body: text}
	}
	a.retryAfter, _ = backoff.RetryAfter(resp.Header, time.Now())
	return a
}
