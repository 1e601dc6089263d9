package console

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

func TestTwoDoors(t *testing.T) {
	opts := options()
	opts.TelemetryAddress = "127.0.0.1:0"
	opts.ExternalURL = "https://ops.example.com/outrider"
	c := run(t, opts)
	main, tele := "http://"+c.Addr(), "http://"+c.TelemetryAddr()

	telemetryDoor := []string{"/-/healthy", "/-/ready", "/metrics", "/targets/metrics"}
	for path, method := range mainDoor {
		want := http.StatusOK
		if path == "/nowhere" {
			want = http.StatusNotFound
		}
		if path == "/api/v1/profile" {
			path += "?target=shop&type=cpu"
		}
		wantAnswer(t, ask(t, http.DefaultClient, method, main+path), want, "")
		if slices.Contains(telemetryDoor, path) {
			continue
		}
		for _, method := range []string{"GET", "POST"} {
			wantAnswer(t, ask(t, http.DefaultClient, method, tele+path), http.StatusNotFound, "no such page")
		}
	}
	for _, path := range telemetryDoor {
		wantAnswer(t, ask(t, http.DefaultClient, "GET", main+path), http.StatusOK, "")
		// By whatever name Prometheus and the kubelet know it.
		wantAnswer(t, ask(t, http.DefaultClient, "GET", tele+path, "Host: pod-1.shops.svc:9911"), http.StatusOK, "")
		wantAnswer(t, ask(t, http.DefaultClient, "POST", tele+path), http.StatusMethodNotAllowed, "use GET")
	}
	wantAnswer(t, ask(t, http.DefaultClient, "GET", tele+"/metrics"), http.StatusOK,
		`outrider_web_info{external_url="https://ops.example.com/outrider"} 1`)
	wantAnswer(t, ask(t, http.DefaultClient, "GET", tele+"/metrics"), http.StatusOK,
		`outrider_http_requests_total{code="200",handler="flush",method="post"} 1`)
}

func TestSecurityHeaders(t *testing.T) {
	c := run(t, options())
	for _, path := range []string{"/", "/metrics", "/-/ready", "/api/v1/status", "/nowhere"} {
		h := ask(t, http.DefaultClient, "GET", "http://"+c.Addr()+path).header
		for name, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "same-origin",
			"X-Frame-Options":         "DENY",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := h.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
}

func TestHealthDependsOnItsFunctionsAlone(t *testing.T) {
	opts := options()
	opts.Ready = func() error { return errors.New("configuration not loaded") }
	opts.Healthy = func() error { return errors.New("scrape loop ended") }
	c := run(t, opts)
	wantAnswer(t, ask(t, http.DefaultClient, "GET", "http://"+c.Addr()+"/-/ready"), 503, "not ready: configuration not loaded")
	wantAnswer(t, ask(t, http.DefaultClient, "GET", "http://"+c.Addr()+"/-/healthy"), 503, "not healthy: scrape loop ended")
}

func TestReload(t *testing.T) {
	opts := options()
	opts.Reload = func(context.Context) error { return errors.New(`outrider.yml:1: scrape_config: unknown key`) }
	c := run(t, opts)
	url := "http://" + c.Addr() + "/-/reload"
	wantAnswer(t, ask(t, http.DefaultClient, "POST", url), 500, "outrider.yml:1: scrape_config: unknown key")
	got := ask(t, http.DefaultClient, "GET", url)
	wantAnswer(t, got, 405, "use POST")
	if allow := got.header.Get("Allow"); allow != "POST, PUT" {
		t.Errorf("Allow is %q", allow)
	}
}

func TestFlush(t *testing.T) {
	opts := options()
	var left error
	var until time.Duration
	opts.Flush = func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		until = time.Until(deadline)
		return left
	}
	c := run(t, opts)
	url := "http://" + c.Addr() + "/-/flush"

	wantAnswer(t, ask(t, http.DefaultClient, "POST", url), 200, "everything scraped is delivered\n  remote_write prom: empty")
	if until <= 0 || until > defaultFlushTimeout {
		t.Errorf("flush got %v", until)
	}
	wantAnswer(t, ask(t, http.DefaultClient, "POST", url+"?timeout=2m"), 200, "")
	if until <= defaultFlushTimeout || until > 2*time.Minute {
		t.Errorf("flush got %v of two minutes", until)
	}
	for _, bad := range []string{"10", "-1s", "0s", "6m", "soon"} {
		wantAnswer(t, ask(t, http.DefaultClient, "POST", url+"?timeout="+bad), 400, "want a duration up to 5m0s")
	}
	left = fmt.Errorf("pyro: 3 left: %w", context.DeadlineExceeded)
	wantAnswer(t, ask(t, http.DefaultClient, "POST", url), 504, "not everything is delivered: pyro: 3 left: context deadline exceeded")
	got := ask(t, http.DefaultClient, "POST", url, "Accept: application/json")
	var res FlushResult
	if err := json.Unmarshal([]byte(got.body), &res); err != nil {
		t.Fatal(err)
	}
	if got.code != 504 || res.Error == "" || len(res.Endpoints) != 2 || res.Endpoints[1].Queued != 3 {
		t.Errorf("got %d %+v", got.code, res)
	}
}

func TestCapture(t *testing.T) {
	type call struct {
		target, typ string
		seconds     int
	}
	var calls []call
	var fail error
	opts := options()
	opts.Capture = func(_ context.Context, target, typ string, seconds int) ([]byte, *telemetry.Target, error) {
		calls = append(calls, call{target, typ, seconds})
		return []byte("\x1f\x8bpprof"), newTarget("../shop/é", "pod-1:8080"), fail
	}
	c := run(t, opts)
	c.now = func() time.Time { return at }
	url := "http://" + c.Addr() + "/api/v1/profile"

	got := ask(t, http.DefaultClient, "GET", url+"?target=shop&type=cpu")
	wantAnswer(t, got, 405, "curl -X POST")
	if allow := got.header.Get("Allow"); allow != "POST" {
		t.Errorf("Allow is %q", allow)
	}
	wantAnswer(t, ask(t, http.DefaultClient, "HEAD", url+"?target=shop&type=cpu"), 405, "")
	for query, want := range map[string]string{
		"":                                  "want target and type; known here: shop/pod-1:8080 (cpu, memory)",
		"?target=shop":                      "want target and type",
		"?target=shop&type=cpu&seconds=0":   "want a whole number from 1 to 300",
		"?target=shop&type=cpu&seconds=301": "want a whole number from 1 to 300",
		"?target=shop&type=cpu&seconds=1s":  "want a whole number from 1 to 300",
	} {
		wantAnswer(t, ask(t, http.DefaultClient, "POST", url+query), 400, want)
	}
	if calls != nil {
		t.Errorf("bad requests captured %v", calls)
	}

	got = ask(t, http.DefaultClient, "POST", url+"?target=shop&type=cpu&seconds=7")
	wantAnswer(t, got, 200, "\x1f\x8bpprof")
	if cd := got.header.Get("Content-Disposition"); cd != `attachment; filename="_shop__-cpu-20260304T050607Z.pb.gz"` {
		t.Errorf("Content-Disposition is %s", cd)
	}
	wantAnswer(t, ask(t, http.DefaultClient, "POST", url+"?target=shop/x&type=memory"), 200, "")
	if diff := cmp.Diff([]call{{"shop", "cpu", 7}, {"shop/x", "memory", 0}}, calls, cmp.AllowUnexported(call{})); diff != "" {
		t.Error(diff)
	}

	for _, tc := range []struct {
		err  error
		code int
	}{
		{&Error{http.StatusNotFound, errors.New("unknown target")}, 404},
		{fmt.Errorf("capture: %w", &Error{http.StatusConflict, errors.New("busy")}), 409},
		{errors.New("connection refused"), 502},
		{context.DeadlineExceeded, 504},
	} {
		fail = tc.err
		got := ask(t, http.DefaultClient, "POST", url+"?target=shop&type=cpu")
		wantAnswer(t, got, tc.code, tc.err.Error())
		if cd := got.header.Get("Content-Disposition"); cd != "" {
			t.Errorf("a failure is offered as a file: %s", cd)
		}
	}
}

func TestCapturesAreBounded(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	opts := options()
	opts.Capture = func(context.Context, string, string, int) ([]byte, *telemetry.Target, error) {
		started <- struct{}{}
		<-release
		return nil, newTarget("shop", "a:1"), nil
	}
	c := run(t, opts)
	url := "http://" + c.Addr() + "/api/v1/profile?target=shop&type=cpu"
	done := make(chan int, maxCaptures)
	for range maxCaptures {
		go func() { done <- ask(t, http.DefaultClient, "POST", url).code }()
		<-started
	}
	got := ask(t, http.DefaultClient, "POST", url)
	wantAnswer(t, got, 503, "too many requests")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(release)
	for range maxCaptures {
		if code := <-done; code != 200 {
			t.Errorf("one that was let in got %d", code)
		}
	}
	if n := testutil.ToFloat64(c.metrics.refused.WithLabelValues("busy")); n != 1 {
		t.Errorf("counted %v refused", n)
	}
}

// A capture under way must neither hold up the end nor be left behind.
func TestRunEndsRequestsUnderWay(t *testing.T) {
	started, cut := make(chan struct{}), make(chan error, 1)
	opts := options()
	opts.TelemetryAddress = "127.0.0.1:0"
	opts.Capture = func(ctx context.Context, _, _ string, _ int) ([]byte, *telemetry.Target, error) {
		close(started)
		<-ctx.Done()
		cut <- ctx.Err()
		return nil, nil, errors.New("the sidecar is stopping")
	}
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	got := make(chan answer, 1)
	go func() {
		got <- ask(t, http.DefaultClient, "POST", "http://"+c.Addr()+"/api/v1/profile?target=a&type=cpu")
	}()
	<-started
	stop()
	if err := <-cut; !errors.Is(err, context.Canceled) {
		t.Errorf("the capture ended with %v", err)
	}
	wantAnswer(t, <-got, 502, "the sidecar is stopping")
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestRunFailsWithABrokenDoor(t *testing.T) {
	opts := options()
	opts.TelemetryAddress = "127.0.0.1:0"
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	c.tele.listener.Close()
	if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve "+c.TelemetryAddr()) {
		t.Errorf("Run: %v", err)
	}
}

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

func TestStatusAndPage(t *testing.T) {
	c := run(t, options())
	c.now = func() time.Time { return at }
	base := "http://" + c.Addr()

	got := ask(t, http.DefaultClient, "GET", base+"/api/v1/status")
	wantAnswer(t, got, 200, "")
	golden(t, "testdata/status.json", got.body)
	if strings.Contains(got.body, "hunter2") {
		t.Error("shows a password")
	}

	got = ask(t, http.DefaultClient, "GET", base+"/")
	wantAnswer(t, got, 200, "")
	golden(t, "testdata/page.html", got.body)
	if strings.Contains(got.body, "hunter2") || strings.Contains(got.body, "<script") {
		t.Error("the page shows a password or runs a script")
	}
	// The policy lets in the style sheet that is really there, and nothing is fetched.
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(got.body)
	if style == nil || style[1] != pageCSS {
		t.Error("the style sheet was changed on its way, so its hash is of another")
	}
	if m := regexp.MustCompile(`(?:src|href)="(?:https?:)?//[^"]*"`).FindString(got.body); m != "" {
		t.Errorf("the page wants %s", m)
	}
}

func TestEmptyPage(t *testing.T) {
	opts := options()
	opts.Snapshot = func() Snapshot { return Snapshot{Version: "1", Started: at} }
	c := run(t, opts)
	base := "http://" + c.Addr()
	for _, hint := range []string{"OUTRIDER_TARGET", "OUTRIDER_PPROF_URL", "remote_write", "the environment, loaded never"} {
		wantAnswer(t, ask(t, http.DefaultClient, "GET", base+"/"), 200, hint)
	}
	wantAnswer(t, ask(t, http.DefaultClient, "GET", base+"/api/v1/status"), 200, `"targets": []`)
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                     "0s",
		0:                                "0s",
		120 * time.Microsecond:           "120µs",
		350 * time.Millisecond:           "350ms",
		12*time.Second + time.Second/2:   "12s",
		3*time.Minute + 5*time.Second:    "3m5s",
		3 * time.Minute:                  "3m",
		2*time.Hour + 5*time.Minute + 59: "2h5m",
		49 * time.Hour:                   "2d1h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %s, want %s", d, got, want)
		}
	}
	if got := Age(at, time.Time{}); got != "never" {
		t.Errorf("Age of nothing is %s", got)
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 34567: "33.8 KiB", 5 << 20: "5.0 MiB", 1 << 50: "1024.0 TiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestMetricsLint(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics("https://ops.example.com")
	m.register(reg)
	m.instrument("page", http.NotFoundHandler())
	m.requests.WithLabelValues("page", "200", "get").Inc()
	m.duration.WithLabelValues("page").Observe(1)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != 5 {
		t.Errorf("%d families, want 5", len(families))
	}
}
