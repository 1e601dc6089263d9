package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"

	"outrider/agent/console"
)

const (
	// maxAnswer bounds the answers that are kept in memory.
	maxAnswer = 16 << 20
	// margin is what a call may take beyond the time it asks the sidecar to work.
	margin = 15 * time.Second
	// longestCapture bounds a capture whose length the sidecar chooses, and the wait of any
	// capture for others.
	longestCapture = 6 * time.Minute
)

// Client calls one sidecar.
type Client struct {
	base *url.URL
	http *http.Client
}

// New makes a client of the sidecar at address, a URL or host:port. Nothing is sent yet.
func New(address string, cfg promconfig.HTTPClientConfig) (*Client, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	base, err := url.Parse(address)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // without the address, which may hold a password
		}
		return nil, fmt.Errorf("address of the sidecar: %w", err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("address of the sidecar %q: want http(s)://host:port", base.Redacted())
	}
	c, err := promconfig.NewClientFromConfig(cfg, "outrider", promconfig.WithUserAgent("outrider-cli"))
	if err != nil {
		return nil, fmt.Errorf("HTTP client: %w", err)
	}
	return &Client{base: base, http: c}, nil
}

// Close gives up connections that are kept for further calls.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks what the sidecar sees.
func (c *Client) Status(ctx context.Context) (*console.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, margin)
	defer cancel()
	status := &console.Status{}
	if err := c.json(ctx, http.MethodGet, "api/v1/status", status); err != nil {
		return nil, err
	}
	return status, nil
}

// Reload asks the sidecar to read its configuration again.
func (c *Client) Reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute+margin)
	defer cancel()
	return c.json(ctx, http.MethodPost, "-/reload", &struct{}{})
}

// Flush asks the sidecar to scrape and deliver everything within timeout. When that is not
// enough the result says so; the error says that the sidecar could not be asked.
func (c *Client) Flush(ctx context.Context, timeout time.Duration) (*console.FlushResult, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+margin)
	defer cancel()
	resp, err := c.do(ctx, http.MethodPost, "-/flush", url.Values{"timeout": {timeout.String()}})
	if err != nil {
		return nil, err
	}
	body, err := c.read(resp)
	if err != nil {
		return nil, err
	}
	res := &console.FlushResult{}
	// A flush that did not get done answers with an error status and what is left.
	switch err := json.Unmarshal(body, res); {
	case err == nil && res.Endpoints != nil:
		return res, nil
	case resp.StatusCode == http.StatusOK:
		return nil, c.strangerError("no result of a flush")
	}
	return nil, c.answerError(resp, body)
}

// Capture takes one profile now and writes it to w as gzipped pprof. An empty target means
// the only one; 0 seconds mean as long as the type lasts by itself. It returns the file name
// that the sidecar proposes, without any folder. After an error w may hold a part.
func (c *Client) Capture(ctx context.Context, target, typ string, seconds int, w io.Writer) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+longestCapture+margin)
	defer cancel()
	q := url.Values{"target": {target}, "type": {typ}}
	if seconds > 0 {
		q.Set("seconds", strconv.Itoa(seconds))
	}
	resp, err := c.do(ctx, http.MethodPost, "api/v1/profile", q)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, err := c.read(resp)
		if err != nil {
			return "", err
		}
		return "", c.answerError(resp, body)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/octet-stream" {
		return "", c.strangerError("answers a capture with " + strconv.Quote(ct))
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return "", fmt.Errorf("receive profile: %w", err)
	}
	name := typ + ".pb.gz"
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil {
		if n := path.Base(printable(params["filename"])); n != "." && n != "/" && !strings.HasPrefix(n, ".") {
			name = n
		}
	}
	return name, nil
}

// Healthy returns nil when the sidecar says it is.
func (c *Client) Healthy(ctx context.Context) error { return c.probe(ctx, "-/healthy") }

// Ready returns nil when the sidecar says it is.
func (c *Client) Ready(ctx context.Context) error { return c.probe(ctx, "-/ready") }

func (c *Client) probe(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, margin)
	defer cancel()
	_, err := c.get(ctx, http.MethodGet, path)
	return err
}

// json sends a request and decodes a good answer into v.
func (c *Client) json(ctx context.Context, method, path string, v any) error {
	body, err := c.get(ctx, method, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return c.strangerError(err.Error())
	}
	return nil
}

// get sends a request and returns the body of a good answer.
func (c *Client) get(ctx context.Context, method, path string) ([]byte, error) {
	resp, err := c.do(ctx, method, path, nil)
	if err != nil {
		return nil, err
	}
	body, err := c.read(resp)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, c.answerError(resp, body)
	}
	return body, nil
}

// read reads and closes the body of an answer.
func (c *Client) read(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.transportError(err)
	}
	return body, nil
}

func (c *Client) do(ctx context.Context, method, path string, q url.Values) (*http.Response, error) {
	u := c.base.JoinPath(path)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(err)
	}
	return resp, nil
}
