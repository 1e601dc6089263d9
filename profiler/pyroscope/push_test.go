package pyroscope

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// Over a real connection: what the server gets, byte for byte.
func TestPush(t *testing.T) {
	double := &server{t: t}
	mux := http.NewServeMux()
	mux.Handle("/pyro/", http.StripPrefix("/pyro", double))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	cfg := &Config{
		URL: mustURL(t, srv.URL+"/pyro/"), Tenant: "team-a",
		Labels:  map[string]string{"region": "eu", "instance": "not this one"},
		Headers: map[string]string{"X-Extra": "1"},
	}
	m := New(Options{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), UserAgent: "outrider/test"})
	if err := m.Apply([]*Config{cfg}, labels.FromStrings("cluster", "c1", "region", "not this one")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = m.Run(ctx) })
	p := makeProfile("a", time.Now())
	p.Type, p.Series = "cpu", "process_cpu"
	if err := m.Append(p); err != nil {
		t.Fatal(err)
	}
	if err := m.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	run.Wait()

	if n := len(double.profiles()); n != 1 {
		t.Fatalf("%d profiles stored", n)
	}
	got := double.profiles()[0]
	want := []label{
		{"__delta__", "false"},
		{"__name__", "process_cpu"},
		{"cluster", "c1"},
		{"id", "a"},
		{"instance", "pod-1:8080"},
		{"job", "checkout"},
		{"region", "eu"},
		{"service_name", "checkout"},
	}
	if diff := cmp.Diff(want, got.labels, cmp.AllowUnexported(label{})); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if !bytes.Equal(got.raw, p.Data) {
		t.Error("the profile is not what was given")
	}
	for name, want := range map[string]string{
		"X-Scope-Orgid": "team-a", "X-Extra": "1", "User-Agent": "outrider/test", "Content-Type": "application/proto",
	} {
		if v := double.last.Header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if double.last.ContentLength <= int64(len(p.Data)) {
		t.Errorf("content length %d", double.last.ContentLength)
	}
	if s := m.Status()[0]; s.LastError != "" || s.LastSuccess.IsZero() || s.Queued != 0 || s.Name != srv.Listener.Addr().String() {
		t.Errorf("status %+v", s)
	}
}

func TestRedirects(t *testing.T) {
	for _, status := range []int{302, 307} {
		double := &server{t: t}
		mux := http.NewServeMux()
		mux.Handle("POST /new/", http.StripPrefix("/new", double))
		mux.HandleFunc("GET /new/", func(http.ResponseWriter, *http.Request) {}) // 200, as a login page
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/new"+r.URL.Path, status)
		})
		srv := httptest.NewServer(mux)
		cfg := &Config{URL: mustURL(t, srv.URL)}
		cfg.HTTPClient.FollowRedirects = true
		c, err := newClient(cfg, "p", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		ls := []label{{"__name__", "goroutine"}}
		data := makeProfile("a", time.Now()).Data
		a := c.push(t.Context(), encodeHead(ls, len(data)), data)
		// 302 would become a GET, whose answer means nothing; 307 asks for the same again.
		if want := map[int]verdict{302: misconfigured, 307: delivered}[status]; a.verdict != want {
			t.Errorf("%d: verdict %d, want %d (%v)", status, a.verdict, want, a.err)
		}
		c.http.CloseIdleConnections()
		srv.Close()
	}
}

func TestSeriesLabels(t *testing.T) {
	many := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("l%02d", i)] = "v"
		}
		return m
	}
	for _, tt := range []struct {
		name     string
		endpoint map[string]string
		target   []string
		err      string
		has      string
	}{
		{name: "30 in all", target: []string{"job", "j"}, endpoint: many(26), has: `{l25 v}`},
		{name: "31 in all", target: []string{"job", "j"}, endpoint: many(27), err: "31 labels are more than the 30 that Pyroscope accepts by default (__name__ and __delta__ included)"},
		{name: "empty values are not sent", target: []string{"job", "j", "pod", ""}, endpoint: map[string]string{"zone": ""}},
		{name: "service_name of the target wins", target: []string{"job", "j", "service_name", "s"}, has: `{service_name s}`},
		{name: "job stands for it", target: []string{"job", "j"}, endpoint: map[string]string{"service_name": "x"}, has: `{service_name j}`},
		{name: "any is better than none", target: []string{"a", "b"}, endpoint: map[string]string{"service_name": "x"}, has: `{service_name x}`},
		{name: "long value", target: []string{"job", strings.Repeat("x", 2049)}, err: `label "job": a value of 2049 bytes is longer than the 2048 that Pyroscope accepts by default`},
		{name: "long name", target: []string{strings.Repeat("n", 1025), "v"}, err: `label name "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"...: 1025 bytes are more than the 1024 that Pyroscope accepts by default`},
		{name: "not UTF-8", target: []string{"job", "\xff"}, err: `label "job": its value is not valid UTF-8`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &telemetry.Profile{Series: "memory", Target: &telemetry.Target{Labels: labels.FromStrings(tt.target...)}}
			got, err := seriesLabels(p, tt.endpoint, labels.FromStrings("__profile_type__", "x"))
			if text := fmt.Sprint(err); err != nil && text != tt.err || err == nil && tt.err != "" {
				t.Fatalf("error %s, want %q", text, tt.err)
			}
			if !strings.Contains(fmt.Sprint(got), tt.has) {
				t.Errorf("labels %v, want %s among them", got, tt.has)
			}
			for _, l := range got {
				if l.value == "" || l.name == "__profile_type__" {
					t.Errorf("label %v was sent", l)
				}
			}
		})
	}
}

// The head and the profile after it are one request that says what went in.
func TestEncodeHead(t *testing.T) {
	for _, ls := range [][]label{nil, {{"a", ""}}, {{"a", "b"}, {"ünïcode", strings.Repeat("x", 200)}}} {
		for _, n := range []int{0, 1, 127, 128, 20_000} {
			data := bytes.Repeat([]byte{0xfe}, n)
			got, err := decodeRequest(append(encodeHead(ls, n), data...))
			if err != nil || len(got) != 1 {
				t.Fatalf("%v, %d bytes: %v", ls, n, err)
			}
			if !bytes.Equal(got[0].raw, data) {
				t.Errorf("%v, %d bytes: the profile differs", ls, n)
			}
			if diff := cmp.Diff(ls, got[0].labels, cmp.AllowUnexported(label{})); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		}
	}
}

// What a server answers is foreign input.
func FuzzClassify(f *testing.F) {
	f.Add(400, `{"code":"invalid_argument","message":"outside of ingestion window"}`)
	f.Add(500, `{"code":"unknown","message":"EOF"}`)
	f.Add(429, `{"code":`)
	f.Add(302, "<html>")
	f.Add(0, "")
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status/100 == 2 {
			return
		}
		r := readRefusal(status, body)
		if v := classify(r); v == delivered {
			t.Errorf("%d %q was taken for a delivery", status, body)
		}
		if r.Error() == "" {
			t.Error("no text")
		}
	})
}
