package target

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"outrider/bench/internal/load"
)

// run serves in the background until the test ends, and waits for the end.
func run(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func get(t *testing.T, address, encoding string) (body []byte, got string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", encoding)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return body, resp.Header.Get("Content-Encoding")
}

func TestServerLogsWhatItServes(t *testing.T) {
	s, err := Listen(load.Load{Targets: 2, Series: 100, Interval: time.Second}, false)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	a := s.Addresses()
	begun := time.Now().UnixMilli()
	for range 2 {
		if body, encoding := get(t, a.Targets[1]+"/metrics", "gzip"); encoding != "" || len(series(t, body)) != 100 {
			t.Errorf("got encoding %q, want a plain body of 100 series", encoding)
		}
	}
	body, _ := get(t, a.Control+"/bodies", "")
	var got [][]Body
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got[0]) != 0 || len(got[1]) != 2 {
		t.Fatalf("log is %v, want none of the first target and two of the second", got)
	}
	for i, b := range got[1] {
		if b.Serial != i+1 || !b.Whole || b.Millis < begun {
			t.Errorf("body %d is logged as %+v", i+1, b)
		}
	}
}

func TestServerCompressesWhenItIsToldTo(t *testing.T) {
	s, err := Listen(load.Load{Targets: 1, Series: 100, Interval: time.Second}, true)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	plain, encoding := get(t, s.Addresses().Targets[0]+"/metrics", "identity")
	if encoding != "" || len(series(t, plain)) != 100 {
		t.Errorf("a client that did not ask for it got encoding %q", encoding)
	}
	packed, encoding := get(t, s.Addresses().Targets[0]+"/metrics", "gzip")
	if encoding != "gzip" {
		t.Fatalf("got encoding %q, want gzip", encoding)
	}
	z, err := gzip.NewReader(strings.NewReader(string(packed)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil || len(series(t, body)) != 100 {
		t.Errorf("unpacked body has %d series: %v", len(series(t, body)), err)
	}
}
