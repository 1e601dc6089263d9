package pyroscope

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"

	"outrider/agent/backoff"
	"outrider/agent/outbound"
)

const (
	pushPath       = "push.v1.PusherService/Push"
	defaultTimeout = 10 * time.Second
)

// client pushes profiles to one endpoint.
type client struct {
	http    *http.Client
	url     string
	header  http.Header
	host    string
	timeout time.Duration
}

func newClient(cfg *Config, name, userAgent string, dial promconfig.DialContextFunc) (*client, error) {
	var opts []promconfig.HTTPClientOption
	if dial != nil {
		opts = append(opts, promconfig.WithDialContextFunc(dial))
	}
	hc, err := outbound.NewClient(cfg.HTTPClient, "pyroscope_write_"+name, userAgent, opts...)
	if err != nil {
		return nil, err
	}
	c := &client{http: hc, url: cfg.URL.JoinPath(pushPath).String(), header: http.Header{}, timeout: time.Duration(cfg.RemoteTimeout)}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	for k, v := range cfg.Headers {
		c.header.Set(k, v)
		if strings.EqualFold(k, "Host") {
			c.host = v
		}
	}
	if cfg.Tenant != "" {
		c.header.Set("X-Scope-OrgID", cfg.Tenant)
	}
	c.header.Set("Content-Type", "application/proto")
	c.header.Set("Connect-Protocol-Version", "1")
	return c, nil
}

// push sends one profile once and reads the answer.
func (c *client) push(ctx context.Context, head, profile []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	body := func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(head), bytes.NewReader(profile))), nil
	}
	first, _ := body()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, first)
	if err != nil {
		return answer{verdict: misconfigured, reason: "request", err: err}
	}
	req.Header = c.header.Clone()
	req.Host = c.host
	req.GetBody = body // for redirects
	req.ContentLength = int64(len(head) + len(profile))

	resp, err := c.http.Do(req)
	if err != nil {
		// It is sent again, and may then be counted twice.
		reason, cause := outbound.NoAnswer(err)
		return answer{verdict: passing, reason: reason, err: cause}
	}
	said := backoff.DrainBody(resp)
	a := answer{status: resp.StatusCode, reason: strconv.Itoa(resp.StatusCode)}
	a.retryAfter, _ = backoff.RetryAfter(resp.Header, time.Now())
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode/100 != 2:
		r := readRefusal(resp.StatusCode, said)
		a.verdict, a.err = classify(r), r
	case media == "text/html":
		// A web interface answers so to anything. Nothing was stored.
		a.verdict, a.err = misconfigured, errors.New("server answered with a web page: is this the address of Pyroscope?")
	}
	return a
}
