package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	promconfig "github.com/prometheus/common/config"
)

// maxRedirects is how far a request is followed.
const maxRedirects = 5

// NewClient makes the client that posts to one endpoint; name tells its connections apart
// from others'. Redirects are followed only as long as the request stays a POST (307, 308):
// one that turns it into a GET leads to a login page, whose 200 would pass for a delivery.
func NewClient(cfg promconfig.HTTPClientConfig, name, userAgent string, opts ...promconfig.HTTPClientOption) (*http.Client, error) {
	opts = append([]promconfig.HTTPClientOption{promconfig.WithUserAgent(userAgent)}, opts...)
	c, err := promconfig.NewClientFromConfig(cfg, name, opts...)
	if err != nil {
		return nil, fmt.Errorf("make HTTP client: %w", err)
	}
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if !cfg.FollowRedirects || req.Method != http.MethodPost || len(via) > maxRedirects {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return c, nil
}

// EndpointName is the name in the configuration, or the host and port of the endpoint.
func EndpointName(name string, u *promconfig.URL) string {
	if name != "" || u == nil || u.URL == nil {
		return name
	}
	return u.Host
}

// The reasons for which no answer came, as counted.
const (
	ReasonNetwork = "network"
	ReasonTimeout = "timeout"
)

// NoAnswer says why a request was not answered, and returns its error without the URL, which
// may hold a token. Whether the receiver got the request is not known.
func NoAnswer(err error) (reason string, cause error) {
	cause = err
	if ue, ok := errors.AsType[*url.Error](err); ok {
		cause = ue.Err
	}
	ne, ok := errors.AsType[net.Error](err)
	if errors.Is(err, context.DeadlineExceeded) || ok && ne.Timeout() {
		return ReasonTimeout, cause
	}
	return ReasonNetwork, cause
}
