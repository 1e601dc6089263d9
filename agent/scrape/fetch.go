package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/alecthomas/units"
	promconfig "github.com/prometheus/common/config"
)

// source is where the exposition of a target comes from.
type source interface {
	// fetch returns a body, good until the next fetch into the same buffer and nil if the
	// buffer has followed it, and its Content-Type. Its error is a *failure, whatever ctx says.
	fetch(ctx context.Context, buf *buffer) (body []byte, contentType string, err error)
}

// request is how a target is asked. Immutable, but for the client's connections.
type request struct {
	client  *http.Client
	request *http.Request // without a context
	timeout time.Duration
	limit   int64 // most bytes of a body; 0: no limit
}

// newRequest expects a valid cfg.
func newRequest(client *http.Client, u *url.URL, cfg *Config) (*request, error) {
	req, err := http.NewRequest(http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	accept, err := acceptHeader(preferred(cfg.ScrapeProtocols, isSet(cfg.ScrapeNativeHistograms)))
	if err != nil {
		return nil, fmt.Errorf("scrape_protocols: %w", err)
	}
	encoding := "identity"
	if cfg.EnableCompression {
		encoding = "gzip"
	}
	timeout := time.Duration(cfg.ScrapeTimeout)
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", encoding)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64))
	return &request{client: client, request: req, timeout: timeout, limit: int64(cfg.BodySizeLimit)}, nil
}

// newClient makes a client for one target: its connection is kept between scrapes and belongs
// to nobody else.
func newClient(job *Job, userAgent string) (*http.Client, error) {
	return promconfig.NewClientFromConfig(job.Config.HTTPClient, job.Name, promconfig.WithUserAgent(userAgent), promconfig.WithDialContextFunc(dialPatiently()))
}

// fetch asks for the exposition. All of it has to arrive within the timeout.
func (r *request) fetch(ctx context.Context, buf *buffer) (body []byte, contentType string, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	buf.n = 0
	resp, err := r.client.Do(r.request.WithContext(ctx))
	if err != nil {
		return nil, "", r.requestError(ctx, err)
	}
	defer resp.Body.Close() // an unread rest costs the connection, not memory
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // keeps the connection
		return nil, "", fail(reasonStatus, "server returned HTTP status %s", resp.Status)
	}
	if r.limit > 0 && resp.ContentLength > r.limit {
		return nil, "", r.tooLarge()
	}
	wire := &limitedReader{r: resp.Body, limit: r.limit}
	contentType = resp.Header.Get("Content-Type")
	body, err = buf.readAll(wire, contentType, resp.Header.Get("Content-Encoding"), r.limit)
	if err != nil {
		return nil, "", r.bodyError(ctx, wire, err)
	}
	return body, contentType, nil
}

func (r *request) tooLarge() error {
	return fail(reasonBodySize, "body larger than body_size_limit %s", units.Base2Bytes(r.limit))
}

func (r *request) requestError(ctx context.Context, err error) error {
	// The client names method and URL in front of each error; so does the log line.
	var named *url.Error
	if errors.As(err, &named) {
		err = named.Err
	}
	var op *net.OpError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fail(reasonTimeout, "no answer within scrape_timeout %s", r.timeout)
	case errors.As(err, &op) && op.Op == "dial":
		return fail(reasonConnect, "connect: %w", err)
	case errors.Is(err, io.EOF):
		return fail(reasonRequest, "connection closed without an answer: %w", err)
	}
	return fail(reasonRequest, "request: %w", err)
}

// bodyError tells an answer that broke off from one that is complete but cannot be unzipped.
func (r *request) bodyError(ctx context.Context, wire *limitedReader, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fail(reasonTimeout, "body not complete within scrape_timeout %s, after %d bytes", r.timeout, wire.n)
	case errors.Is(err, errTooLarge):
		return r.tooLarge()
	case wire.err != nil && wire.err != io.EOF:
		return fail(reasonTruncated, "body broke off after %d bytes: %w", wire.n, wire.err)
	}
	return fail(reasonEncoding, "decode body: %w", err)
}
