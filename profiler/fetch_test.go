package profiler

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
)

// get fetches from a server that answers with h.
func get(t *testing.T, h http.HandlerFunc, duration, timeout time.Duration) ([]byte, error) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	base, err := url.Parse(srv.URL + "/debug/pprof?token=x")
	if err != nil {
		t.Fatal(err)
	}
	return fetch(t.Context(), http.DefaultClient, base, "profile", duration, timeout)
}

func TestFetchAsks(t *testing.T) {
	body, err := get(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.URL.String()+" "+r.Header.Get("Accept-Encoding"))
	}, 3*time.Second, time.Minute)
	if want := "GET /debug/pprof/profile?seconds=3&token=x identity"; err != nil || string(body) != want {
		t.Errorf("asked %q (%v), want %q", body, err, want)
	}
}

func TestFetchRefuses(t *testing.T) {
	const second = time.Second
	for _, tt := range []struct {
		name     string
		h        http.HandlerFunc
		duration time.Duration
		reason   string
		text     string
	}{
		{
			name: "profiler in use",
			h: func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "Could not enable CPU profiling: cpu profiling already in use", 500)
			},
			reason: reasonBusy, text: "in use by another profiler, such as the pyroscope-go SDK",
		},
		{
			name: "no pprof", h: http.NotFound,
			reason: reasonNotServed, text: "/debug/pprof/profile?token=x: does the service import net/http/pprof, and on this port?",
		},
		{
			name:   "no such profile",
			h:      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Unknown profile", 404) },
			reason: reasonNotServed, text: "the service has pprof but not this profile",
		},
		{
			name:   "forbidden",
			h:      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "go\naway", http.StatusForbidden) },
			reason: reasonStatus, text: "the service answered 403 Forbidden: go away",
		},
		{
			name: "HTML",
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = io.WriteString(w, "<html>")
			},
			reason: reasonContent, text: "the service sent text/html and not a profile",
		},
		{
			name: "JSON",
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/problem+json")
			},
			reason: reasonContent, text: "the service sent application/problem+json and not a profile",
		},
		{
			name: "an encoding that was not asked for",
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "br")
			},
			reason: reasonContent, text: `Content-Encoding "br"`,
		},
		{
			name: "2 GB announced",
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "2147483648")
			},
			reason: reasonTooLarge, text: "the service announced 2048 MiB; the limit is 16 MiB",
		},
		{
			name: "endless",
			h: func(w http.ResponseWriter, _ *http.Request) {
				chunk := make([]byte, 64<<10)
				for {
					if _, err := w.Write(chunk); err != nil {
						return
					}
				}
			},
			reason: reasonTooLarge, text: "the service sent more than 16 MiB",
		},
		{
			name: "half a body",
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				_, _ = io.WriteString(w, "half")
			},
			reason: reasonTruncated, text: "the service ended its answer early: unexpected EOF",
		},
		{
			name:     "stops in the middle of a CPU profile",
			h:        func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			duration: second, reason: reasonTruncated, text: "is the WriteTimeout of its server shorter than 1s?",
		},
		{
			name:   "never answers",
			h:      func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			reason: reasonTimeout, text: "no whole answer within 300ms",
		},
		{
			name: "never ends",
			h: func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "some")
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			},
			reason: reasonTimeout, text: "no whole answer within 300ms",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			timeout := time.Minute
			if tt.reason == reasonTimeout {
				timeout = 300 * time.Millisecond
			}
			body, err := get(t, tt.h, tt.duration, timeout)
			if err == nil {
				t.Fatalf("got %d bytes and no error", len(body))
			}
			if got := reasonOf(err); got != tt.reason || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("reason %s, error %q; want %s, %q", got, err, tt.reason, tt.text)
			}
			if (tt.reason == reasonBusy) != errors.Is(err, ErrBusy) {
				t.Errorf("errors.Is(err, ErrBusy) is %t", errors.Is(err, ErrBusy))
			}
		})
	}
}

func TestFetchRefusedConnection(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	base, _ := url.Parse(srv.URL)
	srv.Close()
	_, err := fetch(t.Context(), http.DefaultClient, base, "allocs", 0, time.Minute)
	if err == nil || reasonOf(err) != reasonNetwork || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
}

func TestFetchLeavesWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	go func() { <-asked; cancel() }()
	if _, err := fetch(ctx, srv.Client(), base, "profile", time.Hour, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// An endless body must cost no more than its bound.
func TestFetchIsBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := get(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range 200 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}, 0, time.Minute)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Fatal("no error")
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 8*maxBody {
		t.Errorf("allocated %d MiB for a body that is bound to %d", got>>20, maxBody>>20)
	}
}
