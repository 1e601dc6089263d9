package pyrodouble

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is when the tests happen.
var now = time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)

// double is a server under test with the official clients for it.
type double struct {
	*Server
	url     string
	http    *http.Client
	pusher  pushv1connect.PusherServiceClient
	querier querierv1connect.QuerierServiceClient
}

func newDouble(t *testing.T, change func(*Options)) *double {
	t.Helper()
	opts := Options{Dir: t.TempDir(), Now: func() time.Time { return now }}
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	client := srv.Client()
	return &double{
		Server: s, url: srv.URL, http: client,
		pusher:  pushv1connect.NewPusherServiceClient(client, srv.URL),
		querier: querierv1connect.NewQuerierServiceClient(client, srv.URL),
	}
}

// labelsOf makes labels of names and values in turn.
func labelsOf(kv ...string) []*typesv1.LabelPair {
	var out []*typesv1.LabelPair
	for i := 0; i < len(kv); i += 2 {
		out = append(out, &typesv1.LabelPair{Name: kv[i], Value: kv[i+1]})
	}
	return out
}

// cpuLabels are those of a profile that is accepted.
func cpuLabels(more ...string) []*typesv1.LabelPair {
	return labelsOf(append([]string{"__name__", "process_cpu", "service_name", "checkout", "instance", "pod-1:8080"}, more...)...)
}

// strings of the profile that cpuProfile makes.
var cpuStrings = []string{"", "samples", "count", "cpu", "nanoseconds", "main.main", "main.work", "main.wait", "/main.go"}

// cpuProfile is a CPU profile of now with two stacks under main.main: work 3 samples, wait 1.
func cpuProfile(change ...func(*googlev1.Profile)) *googlev1.Profile {
	p := &googlev1.Profile{
		StringTable: append([]string(nil), cpuStrings...),
		SampleType:  []*googlev1.ValueType{{Type: 1, Unit: 2}, {Type: 3, Unit: 4}},
		PeriodType:  &googlev1.ValueType{Type: 3, Unit: 4},
		Period:      10_000_000,
		TimeNanos:   now.UnixNano(),
		Function: []*googlev1.Function{
			{Id: 1, Name: 5, SystemName: 5, Filename: 8},
			{Id: 2, Name: 6, SystemName: 6, Filename: 8},
			{Id: 3, Name: 7, SystemName: 7, Filename: 8},
		},
		Location: []*googlev1.Location{
			{Id: 1, Line: []*googlev1.Line{{FunctionId: 1, Line: 10}}},
			{Id: 2, Line: []*googlev1.Line{{FunctionId: 2, Line: 20}}},
			{Id: 3, Line: []*googlev1.Line{{FunctionId: 3, Line: 30}}},
		},
		Sample: []*googlev1.Sample{
			{LocationId: []uint64{2, 1}, Value: []int64{3, 30_000_000}},
			{LocationId: []uint64{3, 1}, Value: []int64{1, 10_000_000}},
		},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

// raw encodes a profile without compressing it.
func raw(t *testing.T, p *googlev1.Profile) []byte {
	t.Helper()
	data, err := p.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	if _, err := zw.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// series is one series with the given profiles.
func series(ls []*typesv1.LabelPair, profiles ...[]byte) *pushv1.RawProfileSeries {
	s := &pushv1.RawProfileSeries{Labels: ls}
	for _, p := range profiles {
		s.Samples = append(s.Samples, &pushv1.RawSample{RawProfile: p})
	}
	return s
}
