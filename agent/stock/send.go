package stock

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"outrider/agent/remotewrite"
)

// SendOptions say where a replay goes.
type SendOptions struct {
	URL            string
	HTTPConfigFile string // authentication, TLS and proxy, as in Prometheus; may be empty
	Headers        map[string]string
	UserAgent      string
	Timeout        time.Duration // of one request
	RetryFor       time.Duration // of one request and its repeats
	Waits          func(error)   // told why a request is sent again
}

// Sender delivers requests of a replay.
type Sender struct {
	o        SendOptions
	replayer *remotewrite.Replayer
}

// errRetried is the cause of giving up a request.
var errRetried = errors.New("the receiver did not take it in time")

// NewSender returns one that is to be closed.
func NewSender(o SendOptions) (*Sender, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--url: want one such as http://prometheus:9090/api/v1/write, got %q", o.URL)
	}
	cfg := &remotewrite.Config{
		URL:           &promconfig.URL{URL: u},
		Headers:       o.Headers,
		RemoteTimeout: model.Duration(o.Timeout),
		HTTPClient:    promconfig.DefaultHTTPClientConfig,
	}
	if o.HTTPConfigFile != "" {
		c, _, err := promconfig.LoadHTTPConfigFile(o.HTTPConfigFile)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", o.HTTPConfigFile, err)
		}
		cfg.HTTPClient = *c
	}
	r, err := remotewrite.NewReplayer(cfg, o.UserAgent)
	if err != nil {
		return nil, err
	}
	return &Sender{o: o, replayer: r}, nil
}

// Send is what Replay.Send wants.
func (s *Sender) Send(ctx context.Context, r remotewrite.Request) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.RetryFor, errRetried)
	defer cancel()
	return s.replayer.Send(ctx, r, s.o.Waits)
}

// Close gives connections back.
func (s *Sender) Close() { s.replayer.Close() }
