package faults

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"
)

// post sends a request as a client does that keeps connections, and returns the status, or 0
// where no answer came within a second.
func post(t *testing.T, c *http.Client, url, contentType, version string, body []byte) (int, http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", version)
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header
}

func TestSinkModes(t *testing.T) {
	for _, tt := range []struct {
		mode   mode
		status int
		stored int
		events []string // the kinds that it notes
		after  mode
	}{
		{modeUp, 204, 1, nil, modeUp},
		{modeSlow, 204, 1, nil, modeSlow},
		{modeBusy, 503, 0, nil, modeBusy},
		{modeDown, 0, 0, []string{eventReceiver}, modeDown},
		{modeMute, 0, 0, nil, modeMute},
		{modeMuteAfter, 0, 1, []string{eventTimeout}, modeMuteAfter},
		{modeDieAfter, 0, 1, []string{eventReceiver}, modeDown},
	} {
		t.Run(tt.mode.String(), func(t *testing.T) {
			s, err := newSink(time.Second, 3)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			if err := s.set(tt.mode); err != nil {
				t.Fatal(err)
			}
			status, _ := post(t, c, s.URL, typeV1, "0.1.0", packed(t, v1(series("__name__", "a"))))
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if got := s.current(); got != tt.after {
				t.Errorf("is %s afterwards, want %s", got, tt.after)
			}
			// The handler notes a time-out when it sees that the client has gone.
			if err := until(t.Context(), 10*time.Second, func() error {
				if len(s.Events()) < len(tt.events) {
					return context.DeadlineExceeded
				}
				return nil
			}); err != nil {
				t.Errorf("events: %v, want %v", s.Events(), tt.events)
			}
			var kinds []string
			for _, e := range s.Events() {
				kinds = append(kinds, e.what)
			}
			if len(kinds) != len(tt.events) || len(kinds) > 0 && kinds[0] != tt.events[0] {
				t.Errorf("events: %v, want %v", kinds, tt.events)
			}
			if err := s.set(modeUp); err != nil {
				t.Fatal(err)
			}
			if status, _ := post(t, c, s.URL, typeV1, "0.1.0", packed(t, v1(series("__name__", "b")))); status != 204 {
				t.Errorf("status %d when it is up again", status)
			}
			s.book.mu.Lock()
			defer s.book.mu.Unlock()
			if got := s.book.samples; got != tt.stored+1 {
				t.Errorf("%d samples stored, want %d", got, tt.stored+1)
			}
		})
	}
}

func TestSinkAnswers(t *testing.T) {
	s, err := newSink(time.Second, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	one := packed(t, v1(series("__name__", "a")))
	two := packed(t, v2([]string{"", "__name__", "a"}, 1, 2))
	const written = "X-Prometheus-Remote-Write-Samples-Written"
	for _, tt := range []struct {
		name                 string
		answer               func(request) reply
		contentType, version string
		body                 []byte
		status               int
		written              string
	}{
		{"1.0", nil, typeV1, "0.1.0", one, 204, ""},
		{"2.0", nil, typeV2, "2.0.0", two, 204, "1"},
		{"2.0 of the wrong version", nil, typeV2, "0.1.0", two, 400, "0"},
		{"garbage", nil, typeV1, "0.1.0", []byte("garbage"), 400, ""},
		{"2.0 to the deaf", deaf, typeV2, "2.0.0", two, 204, ""},
		{"1.0 to the deaf", deaf, typeV1, "0.1.0", one, 204, ""},
		{"1.0, poisoned", poisoned, typeV1, "0.1.0", packed(t, v1(series("__name__", "a", "i", "777"), series("__name__", "b"))), 400, ""},
		{"2.0, poisoned", poisoned, typeV2, "2.0.0", packed(t, v2([]string{"", "__name__", "c", "i", "777"}, 1, 2, 3, 4)), 400, "0"},
	} {
		s.reply(tt.answer)
		status, header := post(t, c, s.URL, tt.contentType, tt.version, tt.body)
		if status != tt.status || header.Get(written) != tt.written {
			t.Errorf("%s: status %d, %q written, want %d, %q", tt.name, status, header.Get(written), tt.status, tt.written)
		}
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if got := len(s.book.series); got != 1 {
		t.Errorf("%d series stored, want the one of 1.0 and 2.0: nothing of what was refused or not understood", got)
	}
	if s.malformed.n != 2 {
		t.Errorf("%d malformed requests, want 2", s.malformed.n)
	}
}
