package stack

import (
	"context"
	"fmt"
	"net"
	"time"

	"connectrpc.com/connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"

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

// Totals asks over the query API for all profiles of a service in the last hour, and returns
// what each profile type adds up to. A type that holds no stack is left out.
func (p *Pyroscope) Totals(ctx context.Context, service string) (map[string]int64, error) {
	c := querierv1connect.NewQuerierServiceClient(client, p.URL)
	start, end := time.Now().Add(-time.Hour).UnixMilli(), time.Now().Add(time.Minute).UnixMilli()
	types, err := c.ProfileTypes(ctx, connect.NewRequest(&querierv1.ProfileTypesRequest{Start: start, End: end}))
	if err != nil {
		return nil, fmt.Errorf("list profile types: %w", err)
	}
	out := map[string]int64{}
	for _, t := range types.Msg.ProfileTypes {
		resp, err := c.SelectMergeStacktraces(ctx, connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
			ProfileTypeID: t.ID, LabelSelector: fmt.Sprintf("{service_name=%q}", service), Start: start, End: end,
			Format: querierv1.ProfileFormat_PROFILE_FORMAT_PPROF,
		}))
		if err != nil {
			return nil, fmt.Errorf("fetch profiles of type %s: %w", t.ID, err)
		}
		for _, s := range resp.Msg.GetPprof().GetProfile().GetSample() {
			out[t.ID] += s.Value[0]
		}
	}
	return out, nil
}
