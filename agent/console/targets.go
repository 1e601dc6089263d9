package console

import (
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/common/expfmt"
)

// fmtText1 is the text format in which names may be quoted. expfmt has no name for it, as
// its text is called 0.0.4 whatever is in it.
const fmtText1 = expfmt.Format("text/plain; version=1.0.0; charset=utf-8")

// targetsMetrics serves what was last scraped of each target. See the package comment for
// what a job that pulls it should say.
func (c *Console) targetsMetrics(w http.ResponseWriter, r *http.Request) {
	format := expfmt.NegotiateAccept(r.Header, fmtText1, expfmt.FmtText)
	h := w.Header()
	h.Set("Content-Type", string(format))
	h.Add("Vary", "Accept")
	h.Add("Vary", "Accept-Encoding")
	if r.Method == http.MethodHead {
		return
	}

	var out io.Writer = w
	var zip *gzip.Writer
	if acceptsGzip(r.Header) {
		h.Set("Content-Encoding", "gzip")
		zip = c.zips.Get().(*gzip.Writer)
		defer c.zips.Put(zip)
		zip.Reset(w)
		out = zip
	}
	omitted, err := writeTargets(out, c.scrapes.read(), format.ToEscapingScheme())
	if err == nil && zip != nil {
		err = zip.Close()
	}
	if err != nil {
		c.logger.Debug("reader of /targets/metrics left", "remote", r.RemoteAddr, "err", err)
	}
	for i, n := range omitted {
		c.metrics.omitted.WithLabelValues(omissions[i]).Add(float64(n))
	}
}

// newZip makes a writer of some hundred KiB, worth keeping from pull to pull.
func newZip() any {
	zip, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return zip
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3) as far as gzip goes.
func acceptsGzip(h http.Header) bool {
	named, any := false, false
	for _, line := range h.Values("Accept-Encoding") {
		for item := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(item, ";")
			ok := true
			if _, q, found := strings.Cut(params, "="); found {
				v, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
				ok = err == nil && v > 0
			}
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				if !ok {
					return false
				}
				named = true
			case "*":
				any = ok
			}
		}
	}
	return named || any
}

// gatherLog takes what promhttp could not gather.
type gatherLog struct{ logger *slog.Logger }

func (l gatherLog) Println(v ...any) {
	var err any = v
	if len(v) > 0 {
		err = v[len(v)-1]
	}
	l.logger.Warn("own metrics not all gathered", "err", err)
}
