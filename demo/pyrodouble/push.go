package pyrodouble

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"time"

	"connectrpc.com/connect"
	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
)

// pusher is the push service of a server.
type pusher struct{ *Server }

// rejection says that a profile was refused, with the reason that the real server counts it
// under. A code of CodeUnknown gives way to any other when several were refused, as it does
// there.
type rejection struct {
	code   connect.Code
	reason string
	err    error
}

func (r *rejection) Error() string { return r.err.Error() }

func invalid(reason, format string, args ...any) *rejection {
	return &rejection{connect.CodeInvalidArgument, reason, fmt.Errorf(format, args...)}
}

// arrived is one decoded profile of a request.
type arrived struct {
	labels  []*typesv1.LabelPair
	profile *googlev1.Profile
	size    int // decompressed
}

// Push stores the good profiles of a request even if it answers with an error for a bad one.
func (p pusher) Push(ctx context.Context, req *connect.Request[pushv1.PushRequest]) (*connect.Response[pushv1.PushResponse], error) {
	tenant, err := p.tenant(req.Header())
	if err != nil {
		return nil, err
	}
	p.tally.push()

	var profiles []arrived
	var refused []*rejection
	for _, series := range req.Msg.Series {
		for _, sample := range series.Samples {
			prof, size, err := decode(sample.RawProfile, p.opts.Limits.MaxProfileSize)
			if err != nil {
				refused = append(refused, err)
				continue
			}
			profiles = append(profiles, arrived{series.Labels, prof, size})
		}
	}
	if len(profiles) == 0 && len(refused) == 0 {
		refused = append(refused, invalid("unknown", "no profiles received"))
	}
	stored := false
	for _, a := range profiles {
		ok, err := p.accept(tenant, a)
		if err != nil {
			refused = append(refused, err)
		}
		stored = stored || ok
	}
	for _, r := range refused {
		p.tally.reject(r)
		p.logger.Debug("profile refused", "reason", r.reason, "err", r)
	}
	if stored && p.opts.PushDelay > 0 {
		select {
		case <-time.After(p.opts.PushDelay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if r := worst(refused); r != nil {
		return nil, connect.NewError(r.code, r.err)
	}
	return connect.NewResponse(&pushv1.PushResponse{}), nil
}

// worst picks the rejection that a request is answered with: the first with a code of its
// own, else the first.
func worst(rs []*rejection) *rejection {
	for _, r := range rs {
		if r.code != connect.CodeUnknown {
			return r
		}
	}
	if len(rs) > 0 {
		return rs[0]
	}
	return nil
}

// decode reads a profile, gzipped or not, of at most limit bytes.
func decode(raw []byte, limit int) (*googlev1.Profile, int, *rejection) {
	malformed := func(err error) (*googlev1.Profile, int, *rejection) {
		return nil, 0, &rejection{connect.CodeUnknown, "unknown", err}
	}
	if len(raw) == 0 {
		return malformed(io.EOF)
	}
	data := raw
	if raw[0] == 0x1f && len(raw) > 1 && raw[1] == 0x8b {
		zr, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return malformed(err)
		}
		if data, err = io.ReadAll(io.LimitReader(zr, int64(limit)+1)); err != nil {
			return malformed(fmt.Errorf("copy to buffer: %w", err))
		}
	}
	if len(data) > limit {
		return nil, 0, invalid("profile_size_limit", "uncompressed profile payload size exceeds limit of %.1f MB", float64(limit)/1e6)
	}
	var prof googlev1.Profile
	// Not proto.Unmarshal: it refuses strings that are not UTF-8, which has an answer of its own.
	if err := prof.UnmarshalVT(data); err != nil {
		return malformed(err)
	}
	return &prof, len(data), nil
}

// accept checks one profile and stores it. It says whether anything was stored.
func (p pusher) accept(tenant string, a arrived) (stored bool, _ *rejection) {
	now := p.opts.Now()
	labels := withServiceName(a.labels)
	size := a.profile.SizeVT()
	for _, l := range labels {
		size += len(l.Name) + len(l.Value)
	}
	if !p.limiter.AllowN(now, size) {
		return false, &rejection{
			connect.CodeResourceExhausted, "rate_limited",
			fmt.Errorf("push rate limit (%.1f MiB) exceeded while adding %.1f MiB", p.opts.Limits.Rate/(1<<20), float64(size)/(1<<20)),
		}
	}
	if r := p.opts.Limits.checkProfile(a.profile, a.size, labels, now); r != nil {
		return false, r
	}
	negative := normalize(a.profile)
	if len(a.profile.Sample) == 0 {
		p.tally.dropped()
		return false, nil
	}
	var groups []group
	var refused *rejection
	for _, g := range split(a.profile, labels) {
		// Labels are checked this late because samples bring some.
		if r := p.opts.Limits.checkLabels(g.labels); r != nil {
			refused = r
			continue
		}
		groups = append(groups, g)
	}
	if len(groups) == 0 {
		return false, refused
	}
	if err := p.store.add(tenant, a.profile, groups); err != nil {
		return false, &rejection{connect.CodeInternal, "unknown", err}
	}
	p.tally.store(toSet(groups[0].labels), time.Unix(0, a.profile.TimeNanos), a.size, negative)
	return true, refused
}
