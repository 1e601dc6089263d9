package remotewrite

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	gsnappy "github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// plain is what a receiver understands of a request, in a form that is easy to compare.
type plain struct {
	Labels     string
	Type       string
	Help, Unit string
	Floats     []plainFloat
	Histograms []prompb.Histogram
	Exemplars  []plainExemplar
}

type plainFloat struct {
	Value  float64
	Bits   uint64 // to tell NaNs apart
	TimeMs int64
}

type plainExemplar struct {
	Labels string
	Value  float64
	TimeMs int64
}

func floatAt(v float64, ms int64) plainFloat {
	return plainFloat{Value: v, Bits: math.Float64bits(v), TimeMs: ms}
}

// parseRequest reads a request with Prometheus's own types.
func parseRequest(t testing.TB, contentType string, body []byte) []plain {
	t.Helper()
	raw, err := gsnappy.Decode(nil, body)
	if err != nil {
		t.Errorf("decode snappy: %v", err)
		return nil
	}
	b := labels.NewScratchBuilder(0)
	var out []plain
	if strings.Contains(contentType, MessageV2) {
		var req writev2.Request
		if err := req.Unmarshal(raw); err != nil {
			t.Errorf("decode 2.0 request: %v", err)
			return nil
		}
		if req.Symbols[0] != "" {
			t.Error("the first symbol is not empty")
		}
		known := make(map[string]bool)
		for _, s := range req.Symbols {
			if known[s] {
				t.Errorf("symbol %q occurs twice", s)
			}
			known[s] = true
		}
		for _, ts := range req.Timeseries {
			lset, err := ts.ToLabels(&b, req.Symbols)
			if err != nil {
				t.Error(err)
			}
			md, err := ts.ToMetadata(req.Symbols)
			if err != nil {
				t.Error(err)
			}
			p := plain{Labels: lset.String(), Type: string(md.Type), Help: md.Help, Unit: md.Unit}
			for _, s := range ts.Samples {
				p.Floats = append(p.Floats, floatAt(s.Value, s.Timestamp))
				if s.StartTimestamp != 0 {
					t.Error("a start timestamp was sent")
				}
			}
			for _, h := range ts.Histograms {
				wire, _ := h.Marshal()
				var h1 prompb.Histogram
				if err := h1.Unmarshal(wire); err != nil {
					t.Error(err)
				}
				p.Histograms = append(p.Histograms, h1)
			}
			for _, e := range ts.Exemplars {
				ex, err := e.ToExemplar(&b, req.Symbols)
				if err != nil {
					t.Error(err)
				}
				p.Exemplars = append(p.Exemplars, plainExemplar{ex.Labels.String(), ex.Value, ex.Ts})
			}
			out = append(out, p)
		}
		return out
	}
	var req prompb.WriteRequest
	if err := req.Unmarshal(raw); err != nil {
		t.Errorf("decode 1.0 request: %v", err)
		return nil
	}
	for _, ts := range req.Timeseries {
		for i := 1; i < len(ts.Labels); i++ {
			if ts.Labels[i-1].Name >= ts.Labels[i].Name {
				t.Errorf("labels are not sorted: %v", ts.Labels)
			}
		}
		p := plain{Labels: ts.ToLabels(&b, nil).String(), Histograms: ts.Histograms}
		for _, s := range ts.Samples {
			p.Floats = append(p.Floats, floatAt(s.Value, s.Timestamp))
		}
		for _, e := range ts.Exemplars {
			ex := e.ToExemplar(&b, nil)
			p.Exemplars = append(p.Exemplars, plainExemplar{ex.Labels.String(), ex.Value, ex.Ts})
		}
		out = append(out, p)
	}
	return out
}

// request is one that a receiver got.
type request struct {
	header http.Header
	body   []byte
	series []plain
	v2     bool
}

func (r request) samples() int {
	n := 0
	for _, s := range r.series {
		n += len(s.Floats) + len(s.Histograms)
	}
	return n
}

// reply is what a receiver answers.
type reply struct {
	status    int
	body      string
	header    map[string]string
	noWritten bool // leave the headers of 2.0 out
	short     int  // samples that are said not to be written
}

// receiver plays a remote-write receiver: script decides, and what is answered with 2xx is
// taken in.
type receiver struct {
	t      testing.TB
	script func(n int, r request) reply // n counts from 0

	mu       sync.Mutex
	requests []request
	taken    []plain
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	if req.Method != http.MethodPost || req.Header.Get("Content-Encoding") != "snappy" || req.Header.Get("User-Agent") == "" {
		rc.t.Errorf("unexpected request: %s %v", req.Method, req.Header)
	}
	ct, version := req.Header.Get("Content-Type"), req.Header.Get("X-Prometheus-Remote-Write-Version")
	r := request{header: req.Header.Clone(), body: body, v2: strings.Contains(ct, "v2")}
	if want := map[bool]string{false: "application/x-protobuf|0.1.0", true: "application/x-protobuf;proto=io.prometheus.write.v2.Request|2.0.0"}[r.v2]; ct+"|"+version != want {
		rc.t.Errorf("content type and version are %q, want %q", ct+"|"+version, want)
	}
	r.series = parseRequest(rc.t, ct, body)

	rc.mu.Lock()
	n := len(rc.requests)
	rc.requests = append(rc.requests, r)
	rc.mu.Unlock()
	rep := reply{status: http.StatusNoContent}
	if rc.script != nil {
		rep = rc.script(n, r)
	}
	if rep.status/100 == 2 && !(r.v2 && rep.noWritten) {
		rc.mu.Lock()
		rc.taken = append(rc.taken, r.series...)
		rc.mu.Unlock()
	}
	for k, v := range rep.header {
		w.Header().Set(k, v)
	}
	if r.v2 && rep.status/100 == 2 && !rep.noWritten {
		floats, histograms := 0, 0
		for _, s := range r.series {
			floats, histograms = floats+len(s.Floats), histograms+len(s.Histograms)
		}
		w.Header().Set(headerSamplesWritten, strconv.Itoa(floats-rep.short))
		w.Header().Set(headerHistogramsWritten, strconv.Itoa(histograms))
		w.Header().Set(headerExemplarsWritten, "0")
	}
	w.WriteHeader(rep.status)
	_, _ = io.WriteString(w, rep.body)
}

func (rc *receiver) count() int {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return len(rc.requests)
}

// got maps "labels@time" of each sample taken to how often it was.
func (rc *receiver) got() map[string]int {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	out := make(map[string]int)
	for _, s := range rc.taken {
		for _, f := range s.Floats {
			out[fmt.Sprintf("%s@%d", s.Labels, f.TimeMs)]++
		}
		for _, h := range s.Histograms {
			out[fmt.Sprintf("%s@%d", s.Labels, h.Timestamp)]++
		}
	}
	return out
}

// directly makes clients call the handler without a network, so that a test can run in a
// synctest bubble.
func directly(h http.Handler) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		if err := req.Context().Err(); err != nil {
			return nil, err
		}
		h.ServeHTTP(rec, req)
		resp := rec.Result()
		resp.Request = req
		return resp, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// served starts a receiver that is played by a script.
func served(t testing.TB, script func(n int, r request) reply) (*receiver, string) {
	t.Helper()
	rc := &receiver{t: t, script: script}
	srv := httptest.NewServer(rc)
	t.Cleanup(srv.Close)
	return rc, srv.URL + "/api/v1/write"
}
