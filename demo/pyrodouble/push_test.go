package pyrodouble

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/pprof/profile"
	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
)

func TestPush(t *testing.T) {
	at := func(d time.Duration) func(*googlev1.Profile) {
		return func(p *googlev1.Profile) { p.TimeNanos = now.Add(d).UnixNano() }
	}
	text := func(n int) func(*googlev1.Profile) {
		return func(p *googlev1.Profile) {
			noise := strings.Repeat("0123456789abcdef", 64<<10/16)
			for i := 0; i < n; i += len(noise) {
				p.StringTable = append(p.StringTable, fmt.Sprint(i)+noise)
			}
		}
	}
	samples := func(n int) func(*googlev1.Profile) {
		return func(p *googlev1.Profile) {
			one := p.Sample[0]
			p.Sample = nil
			for range n {
				p.Sample = append(p.Sample, one)
			}
		}
	}
	manyLabels := func(n int) (out []string) { // besides the three of cpuLabels
		for i := range n {
			out = append(out, fmt.Sprintf("l%02d", i), "v")
		}
		return out
	}
	good := raw(t, cpuProfile())
	zipped := gzipped(t, good)
	one := func(profile []byte) []*pushv1.RawProfileSeries {
		return []*pushv1.RawProfileSeries{series(cpuLabels(), profile)}
	}
	labelled := func(kv ...string) []*pushv1.RawProfileSeries {
		return []*pushv1.RawProfileSeries{series(labelsOf(kv...), good)}
	}
	made := func(change ...func(*googlev1.Profile)) []*pushv1.RawProfileSeries {
		return one(raw(t, cpuProfile(change...)))
	}

	for _, tc := range []struct {
		name    string
		series  []*pushv1.RawProfileSeries
		code    connect.Code // zero means accepted
		message string       // part of the error
		reason  string       // that the rejection is counted under
		stored  int
		service string // stored as; checkout when empty
	}{
		{name: "plain", series: one(good), stored: 1},
		{name: "gzipped", series: one(zipped), stored: 1},
		{name: "several", series: []*pushv1.RawProfileSeries{series(cpuLabels(), good, zipped), series(cpuLabels("a", "b"), good)}, stored: 3},
		{name: "the same twice is kept twice", series: []*pushv1.RawProfileSeries{series(cpuLabels(), good, good)}, stored: 2},

		{name: "no series", code: connect.CodeInvalidArgument, message: "no profiles received", reason: "unknown"},
		{name: "series without samples", series: []*pushv1.RawProfileSeries{series(cpuLabels())}, code: connect.CodeInvalidArgument, message: "no profiles received", reason: "unknown"},
		{name: "profile without samples is dropped", series: made(samples(0))},
		{name: "profile with zeros only is dropped", series: made(func(p *googlev1.Profile) {
			for _, s := range p.Sample {
				s.Value = []int64{0, 0}
			}
		})},

		{name: "no name", series: labelled("service_name", "checkout"), code: connect.CodeInvalidArgument, message: "invalid metric name", reason: "invalid_labels"},
		{name: "no labels", series: labelled(), code: connect.CodeInvalidArgument, message: "invalid metric name", reason: "invalid_labels"},
		{name: "no service name", series: labelled("__name__", "process_cpu"), stored: 1, service: "unknown_service"},
		{name: "odd but valid labels", series: labelled("__name__", "process_cpu", "service_name", "checkout", "k8s.pod-name", "ünï code", "empty", ""), stored: 1},
		{name: "thirty labels", series: []*pushv1.RawProfileSeries{series(cpuLabels(manyLabels(27)...), good)}, stored: 1},
		{name: "too many labels", series: []*pushv1.RawProfileSeries{series(cpuLabels(manyLabels(28)...), good)}, code: connect.CodeInvalidArgument, message: "has 31 label names; limit 30", reason: "max_label_names_per_series"},
		{name: "longest label name", series: []*pushv1.RawProfileSeries{series(cpuLabels(strings.Repeat("n", 1024), "v"), good)}, stored: 1},
		{name: "label name too long", series: []*pushv1.RawProfileSeries{series(cpuLabels(strings.Repeat("n", 1025), "v"), good)}, code: connect.CodeInvalidArgument, message: "label name too long", reason: "label_name_too_long"},
		{name: "longest label value", series: []*pushv1.RawProfileSeries{series(cpuLabels("n", strings.Repeat("v", 2048)), good)}, stored: 1},
		{name: "label value too long", series: []*pushv1.RawProfileSeries{series(cpuLabels("n", strings.Repeat("v", 2049)), good)}, code: connect.CodeInvalidArgument, message: "label value too long", reason: "label_value_too_long"},
		{name: "duplicate label", series: []*pushv1.RawProfileSeries{series(cpuLabels("instance", "other"), good)}, code: connect.CodeInvalidArgument, message: "duplicate label name: 'instance'", reason: "duplicate_label_names"},
		{name: "bad labels of a profile without samples go unnoticed", series: []*pushv1.RawProfileSeries{series(nil, raw(t, cpuProfile(samples(0))))}},

		{name: "time of its own within the window", series: made(at(-59 * time.Minute)), stored: 1},
		{name: "a little ahead", series: made(at(9 * time.Minute)), stored: 1},
		{name: "no time means now", series: made(func(p *googlev1.Profile) { p.TimeNanos = 0 }), stored: 1},
		{name: "too old", series: made(at(-time.Hour)), code: connect.CodeInvalidArgument, message: "outside of ingestion window", reason: "not_in_ingestion_window"},
		{name: "too new", series: made(at(10 * time.Minute)), code: connect.CodeInvalidArgument, message: "outside of ingestion window", reason: "not_in_ingestion_window"},

		{name: "most samples", series: made(samples(16000)), stored: 1},
		{name: "too many samples", series: made(samples(16001)), code: connect.CodeInvalidArgument, message: "samples count limit", reason: "samples_limit"},
		{name: "just within the burst", series: made(text(1900 << 10)), stored: 1},
		{name: "over the burst", series: made(text(2900 << 10)), code: connect.CodeResourceExhausted, message: "push rate limit (4.0 MiB) exceeded while adding 2.", reason: "rate_limited"},
		{name: "over the burst although gzipped", series: one(gzipped(t, raw(t, cpuProfile(text(2900<<10))))), code: connect.CodeResourceExhausted, message: "push rate limit", reason: "rate_limited"},
		{name: "too large", series: one(gzipped(t, raw(t, cpuProfile(text(5<<20))))), code: connect.CodeInvalidArgument, message: "uncompressed profile payload size exceeds limit of 4.2 MB", reason: "profile_size_limit"},

		{name: "dash in a sample type", series: made(func(p *googlev1.Profile) { p.StringTable[1] = "wall-time" }), code: connect.CodeInvalidArgument, message: "sample type contains -", reason: "malformed_profile"},
		{name: "not UTF-8", series: made(func(p *googlev1.Profile) { p.StringTable[5] = "main.\xff" }), code: connect.CodeInvalidArgument, message: "invalid utf8 string hex: 6d61696e2eff", reason: "malformed_profile"},
		{name: "no sample types", series: made(func(p *googlev1.Profile) { p.SampleType = nil }), code: connect.CodeInvalidArgument, message: "empty profile", reason: "malformed_profile"},
		{name: "values that do not fit the types", series: made(func(p *googlev1.Profile) { p.Sample[0].Value = []int64{1} }), code: connect.CodeInvalidArgument, message: "sample value length mismatch", reason: "malformed_profile"},
		{name: "string out of range", series: made(func(p *googlev1.Profile) { p.Function[0].Name = 99 }), code: connect.CodeInvalidArgument, message: "index out of range", reason: "malformed_profile"},

		{name: "garbage", series: one([]byte("<html>not a profile</html>")), code: connect.CodeUnknown, reason: "unknown"},
		{name: "truncated", series: one(good[:len(good)-3]), code: connect.CodeUnknown, reason: "unknown"},
		{name: "truncated gzip", series: one(zipped[:len(zipped)-9]), code: connect.CodeUnknown, reason: "unknown"},
		{name: "empty profile", series: one(nil), code: connect.CodeUnknown, reason: "unknown"},

		{
			name:   "one bad of several: the good ones are stored",
			series: []*pushv1.RawProfileSeries{series(cpuLabels(), good), series(labelsOf("service_name", "checkout"), good), series(cpuLabels("a", "b"), good)},
			code:   connect.CodeInvalidArgument, message: "invalid metric name", reason: "invalid_labels", stored: 2,
		},
		{
			name:   "garbage beside a good one",
			series: []*pushv1.RawProfileSeries{series(cpuLabels(), good, []byte("garbage"))},
			code:   connect.CodeUnknown, reason: "unknown", stored: 1,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDouble(t, nil)
			_, err := d.pusher.Push(context.Background(), connect.NewRequest(&pushv1.PushRequest{Series: tc.series}))
			if got := codeOf(err); got != tc.code {
				t.Fatalf("code %v, want %v (error: %v)", got, tc.code, err)
			}
			if err != nil && !strings.Contains(err.Error(), tc.message) {
				t.Errorf("error %q does not say %q", err, tc.message)
			}
			want := map[string]int{}
			if tc.reason != "" {
				want[tc.reason] = 1
			}
			sum := d.Summary()
			if !maps.Equal(sum.Rejected, want) {
				t.Errorf("rejected %v, want %v", sum.Rejected, want)
			}
			service := tc.service
			if service == "" {
				service = "checkout"
			}
			if got := sum.Profiles(service, "process_cpu"); got != tc.stored {
				t.Errorf("%d profiles stored, want %d", got, tc.stored)
			}
			files, err := filepath.Glob(filepath.Join(d.opts.Dir, service, "process_cpu", "*.pb.gz"))
			if err != nil {
				t.Fatal(err)
			}
			if len(files) != tc.stored {
				t.Errorf("%d files, want %d", len(files), tc.stored)
			}
			for _, f := range files {
				checkFile(t, f)
			}
		})
	}
}

// codeOf is connect.CodeOf but zero for no error.
func codeOf(err error) connect.Code {
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
}

// checkFile wants a file that the pprof tool reads.
func checkFile(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := profile.Parse(f); err != nil {
		t.Errorf("%s is not a profile: %v", file, err)
	}
}

func TestNegativeSamplesAreDropped(t *testing.T) {
	d := newDouble(t, nil)
	p := cpuProfile(func(p *googlev1.Profile) { p.Sample[0].Value[0] = -3 })
	push(t, d, cpuLabels(), p)
	if sum := d.Summary(); sum.DroppedSamples != 1 || sum.Profiles("checkout", "process_cpu") != 1 {
		t.Errorf("dropped %d samples of %+v, want one of one profile", sum.DroppedSamples, sum.Stored)
	}
	if got := total(fetch(t, d, "process_cpu:samples:count:cpu:nanoseconds", "{}")); got != 1 {
		t.Errorf("total %d, want that of the other sample, 1", got)
	}
}

func TestRateLimit(t *testing.T) {
	clock := now
	d := newDouble(t, func(o *Options) { o.Now = func() time.Time { return clock } })
	big := cpuProfile(func(p *googlev1.Profile) { p.StringTable = append(p.StringTable, strings.Repeat("x", 1500<<10)) })
	try := func() connect.Code {
		_, err := d.pusher.Push(context.Background(), connect.NewRequest(&pushv1.PushRequest{
			Series: []*pushv1.RawProfileSeries{series(cpuLabels(), raw(t, big))}}))
		return codeOf(err)
	}
	if got := try(); got != 0 {
		t.Fatalf("first: %v", got)
	}
	if got := try(); got != connect.CodeResourceExhausted {
		t.Fatalf("second at once: %v, want resource_exhausted", got)
	}
	clock = clock.Add(500 * time.Millisecond) // 2 MiB at 4 MiB a second
	if got := try(); got != 0 {
		t.Fatalf("half a second later: %v", got)
	}
}

func TestTenants(t *testing.T) {
	d := newDouble(t, func(o *Options) { o.MultiTenancy = true })
	for _, tc := range []struct {
		tenant string
		code   connect.Code
	}{{"", connect.CodeUnauthenticated}, {"a/b", connect.CodeUnauthenticated}, {"..", connect.CodeUnauthenticated}, {"team-a", 0}} {
		req := connect.NewRequest(&pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{series(cpuLabels(), raw(t, cpuProfile()))}})
		if tc.tenant != "" {
			req.Header().Set("X-Scope-OrgID", tc.tenant)
		}
		if _, err := d.pusher.Push(context.Background(), req); codeOf(err) != tc.code {
			t.Errorf("tenant %q: %v, want %v", tc.tenant, err, tc.code)
		}
	}
	for tenant, want := range map[string]int{"team-a": 1, "team-b": 0} {
		if got := len(d.store.find(query{tenant: tenant, end: now.UnixMilli()})) / 2; got != want {
			t.Errorf("tenant %s sees %d profiles, want %d", tenant, got, want)
		}
	}
}

// post sends a request that the official client would not send.
func (d *double) post(t *testing.T, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/push.v1.PusherService/Push", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := d.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestPushOverHTTP(t *testing.T) {
	d := newDouble(t, func(o *Options) {
		o.Limits = DefaultLimits()
		o.Limits.MaxBodySize = 8 << 10
	})
	good, err := json.Marshal(map[string]any{"series": []any{map[string]any{
		"labels":  []any{map[string]string{"name": "__name__", "value": "process_cpu"}},
		"samples": []any{map[string]any{"rawProfile": raw(t, cpuProfile())}},
		"unknown": true,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name     string
		body     string
		header   map[string]string
		status   int
		code     string // of the JSON error
		noHeader string
	}{
		{name: "JSON with an unknown field", body: string(good), header: map[string]string{"Content-Type": "application/json"}, status: 200},
		{name: "gzipped body", body: string(gzipped(t, good)), header: map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}, status: 200},
		{name: "nothing in it", body: "{}", header: map[string]string{"Content-Type": "application/json"}, status: 400, code: "invalid_argument"},
		{name: "garbage in it", body: `{"series":[{"samples":[{"rawProfile":"Z2FyYmFnZQ=="}]}]}`, header: map[string]string{"Content-Type": "application/json"}, status: 500, code: "unknown"},
		{name: "wrong content type", body: "x", header: map[string]string{"Content-Type": "text/plain"}, status: 415},
		{name: "unknown encoding", body: "x", header: map[string]string{"Content-Type": "application/json", "Content-Encoding": "zstd"}, status: 501, code: "unimplemented"},
		{name: "body too large", body: string(bytes.Repeat([]byte(" "), 9<<10)), header: map[string]string{"Content-Type": "application/json"}, status: 429, code: "resource_exhausted", noHeader: "Retry-After"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, body := d.post(t, tc.body, tc.header)
			if resp.StatusCode != tc.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tc.status, body)
			}
			if tc.code != "" && !strings.Contains(body, `"code":"`+tc.code+`"`) {
				t.Errorf("body %q has no code %s", body, tc.code)
			}
			if tc.noHeader != "" && resp.Header.Get(tc.noHeader) != "" {
				t.Errorf("header %s is there", tc.noHeader)
			}
		})
	}
}

func TestOutage(t *testing.T) {
	d := newDouble(t, nil)
	ready := func() (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/ready", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := d.http.Do(req)
		if err != nil {
			return 0, err
		}
		resp.Body.Close()
		return resp.StatusCode, nil
	}
	d.SetOutage(Unavailable)
	if got, err := ready(); got != 503 {
		t.Errorf("unavailable: %d, %v", got, err)
	}
	d.SetOutage(Reset)
	if got, err := ready(); err == nil {
		t.Errorf("reset: got an answer, %d", got)
	}
	d.SetOutage(None)
	if got, err := ready(); got != 200 {
		t.Errorf("in service again: %d, %v", got, err)
	}
	if got := d.Summary().Outage; got < 2 {
		t.Errorf("%d requests cut off, want 2", got)
	}
}

func TestRunEnds(t *testing.T) {
	s, err := New(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/summary")
	if err != nil {
		t.Fatal(err)
	}
	var sum Summary
	if err := json.NewDecoder(resp.Body).Decode(&sum); err != nil || sum.Rejected == nil {
		t.Errorf("summary %+v: %v", sum, err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
