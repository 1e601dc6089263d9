package console

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

func TestTargetsMetricsNegotiates(t *testing.T) {
	c := run(t, options())
	tg := newTarget("shop", "a:1")
	c.SetTargets(map[string][]*telemetry.Target{"shop": {tg}})
	if err := c.Sink(&telemetry.Scrape{
		Target: tg, TimeMs: 7, Values: []float64{1},
		Series: telemetry.NewSeriesSet([]labels.Labels{labels.FromStrings("__name__", "a.b")}, []*telemetry.Metadata{nil}),
		Rest:   []telemetry.Sample{{Kind: telemetry.KindHistogram, Labels: labels.FromStrings("__name__", "h")}},
	}); err != nil {
		t.Fatal(err)
	}
	url := "http://" + c.Addr() + "/targets/metrics"
	const prometheus3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
	for accept, want := range map[string][2]string{
		"*/*":                                    {"text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "a_b 1 7"},
		"text/plain;version=0.0.4":               {"text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "a_b 1 7"},
		prometheus3:                              {"text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8", `{"a.b"} 1 7`},
		"text/plain;version=1.0.0;escaping=dots": {"text/plain; version=1.0.0; charset=utf-8; escaping=dots", "a_dot_b 1 7"},
	} {
		got := ask(t, http.DefaultClient, "GET", url, "Accept: "+accept)
		wantAnswer(t, got, 200, want[1])
		if ct := got.header.Get("Content-Type"); ct != want[0] {
			t.Errorf("Accept %s: Content-Type is %s", accept, ct)
		}
	}
	// One left out by each of the four readers.
	if n := testutil.ToFloat64(c.metrics.omitted.WithLabelValues("native_histogram")); n != 4 {
		t.Errorf("counted %v omitted histograms", n)
	}

	for range 2 { // the second time with a used compressor
		got := ask(t, http.DefaultClient, "GET", url, "Accept-Encoding: gzip, deflate")
		if ce := got.header.Get("Content-Encoding"); ce != "gzip" {
			t.Fatalf("Content-Encoding is %q", ce)
		}
		zr, err := gzip.NewReader(strings.NewReader(got.body))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(zr)
		if err != nil || string(plain) != "# TYPE a_b untyped\na_b 1 7\n" {
			t.Errorf("got %q, %v", plain, err)
		}
	}
	if got := ask(t, http.DefaultClient, "HEAD", url); got.code != 200 || got.body != "" {
		t.Errorf("HEAD: %+v", got)
	}
	if expfmt.Format(fmtText1).Version() != "1.0.0" {
		t.Error("fmtText1 has lost its version")
	}
}

func TestAcceptsGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                        false,
		"gzip":                    true,
		"GZIP":                    true,
		"deflate, gzip;q=1.0":     true,
		"gzip;q=0":                false,
		"gzip; q=0.000, *":        false,
		"*":                       true,
		"*;q=0":                   false,
		"identity":                false,
		"br, zstd":                false,
		"gzipped":                 false,
		"gzip;q=nonsense":         false,
		"deflate;q=0.5,gzip;q=.1": true,
	} {
		h := http.Header{}
		if accept != "" {
			h.Set("Accept-Encoding", accept)
		}
		if got := acceptsGzip(h); got != want {
			t.Errorf("acceptsGzip(%q) = %v", accept, got)
		}
	}
}
