package scrape

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// gathering is a target in this process: it is read without a request, and then parsed like
// any other.
type gathering struct {
	gatherer prometheus.Gatherer
	logger   *slog.Logger
}

// fetch encodes what the gatherer gives. When only some of its collectors fail, what the
// others gave is still worth having.
func (g *gathering) fetch(_ context.Context, buf *buffer) (body []byte, contentType string, err error) {
	families, err := g.gatherer.Gather()
	if err != nil {
		if len(families) == 0 {
			return nil, "", fail(reasonGather, "gather: %w", err)
		}
		g.logger.Warn("some metrics could not be gathered", "err", err)
	}
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	out := bytes.NewBuffer(buf.b[:0])
	enc := expfmt.NewEncoder(out, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return nil, "", fail(reasonGather, "encode %s: %w", f.GetName(), err)
		}
	}
	buf.b = out.Bytes()
	buf.followed, buf.n = false, len(buf.b)
	return buf.b, string(format), nil
}
