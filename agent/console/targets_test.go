package console

import (
	"compress/gzip"
	"context"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
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

// Scrapes, reloads and pulls go on side by side; a pull never sees half of a scrape.
func TestTargetsMetricsWhileScraping(t *testing.T) {
	c := run(t, options())
	tg := newTarget("shop", "a:1")
	targets := map[string][]*telemetry.Target{"shop": {tg}}
	c.SetTargets(targets)
	const n = 200
	var lsets []labels.Labels
	for i := range n {
		lsets = append(lsets, labels.FromStrings("__name__", "x", "i", strconv.Itoa(i)))
	}
	shapes := []*telemetry.SeriesSet{
		telemetry.NewSeriesSet(lsets, make([]*telemetry.Metadata, n)),
		telemetry.NewSeriesSet(lsets[:n/2], make([]*telemetry.Metadata, n/2)),
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		values := make([]float64, n)
		for i := 1; ctx.Err() == nil; i++ {
			shape := shapes[i%2]
			for j := range shape.Len() {
				values[j] = float64(i)
			}
			_ = c.Sink(&telemetry.Scrape{Target: tg, TimeMs: int64(i), Series: shape, Values: values[:shape.Len()]})
			c.SetTargets(targets)
		}
	})
	for range 50 {
		got := ask(t, http.DefaultClient, "GET", "http://"+c.Addr()+"/targets/metrics")
		lines := parseText(t, []byte(got.body))
		if len(lines) != 0 && len(lines) != n && len(lines) != n/2 {
			t.Fatalf("%d lines", len(lines))
		}
		for _, l := range lines {
			if v := math.Float64frombits(l.Bits); v != float64(l.TimeMs) || l.TimeMs != lines[0].TimeMs {
				t.Fatalf("value %v at %d", v, l.TimeMs)
			}
		}
	}
	stop()
	wg.Wait()
}

func BenchmarkWriteTargets(b *testing.B) {
	const n = 10_000
	s := &telemetry.Scrape{Target: newTarget("shop", "a:1"), TimeMs: 1700000000000}
	md := &telemetry.Metadata{Family: "http_request_duration_seconds", Type: model.MetricTypeHistogram, Help: "How long."}
	var lsets []labels.Labels
	mds := make([]*telemetry.Metadata, n)
	for i := range n {
		lsets = append(lsets, labels.FromStrings("__name__", "http_request_duration_seconds_bucket",
			"instance", "a:1", "job", "shop", "le", strconv.Itoa(i%10), "path", strconv.Itoa(i/10)))
		mds[i] = md
		s.Values = append(s.Values, float64(i)*1.25)
	}
	s.Series = telemetry.NewSeriesSet(lsets, mds)
	exps := store(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := writeTargets(io.Discard, exps, model.NoEscaping); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sample")
}
