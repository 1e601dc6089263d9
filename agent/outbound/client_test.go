package outbound

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	promconfig "github.com/prometheus/common/config"
)

func parse(t *testing.T, s string) *promconfig.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return &promconfig.URL{URL: u}
}

func TestEndpointName(t *testing.T) {
	tests := []struct {
		name string
		url  *promconfig.URL
		want string
	}{
		{"given", parse(t, "http://host/path"), "given"},
		{"", parse(t, "https://user:pw@host:9090/api/v1/write?token=x"), "host:9090"},
		{"", parse(t, "http://host"), "host"},
		{"", nil, ""},
		{"", &promconfig.URL{}, ""},
	}
	for _, tt := range tests {
		if got := EndpointName(tt.name, tt.url); got != tt.want {
			t.Errorf("%q, %v: %q, want %q", tt.name, tt.url, got, tt.want)
		}
	}
}

func TestRedirects(t *testing.T) {
	var final string // method that arrived at the end
	mux := http.NewServeMux()
	mux.HandleFunc("/302", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/end", http.StatusFound) })
	mux.HandleFunc("/307", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/end", func(_ http.ResponseWriter, r *http.Request) { final = r.Method })
	srv := httptest.NewServer(mux)
	defer srv.Close()

	tests := []struct {
		path   string
		follow bool
		status int
		final  string
	}{
		{"/307", true, 200, "POST"},
		{"/307", false, 307, ""},
		{"/302", true, 302, ""}, // never as a GET
		{"/loop", true, 307, ""},
	}
	for _, tt := range tests {
		final = ""
		cfg := promconfig.DefaultHTTPClientConfig
		cfg.FollowRedirects = tt.follow
		c, err := NewClient(cfg, "test", "outrider/test")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Post(srv.URL+tt.path, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		c.CloseIdleConnections()
		if resp.StatusCode != tt.status || final != tt.final {
			t.Errorf("%s (follow %v): status %d, arrived by %q; want %d, %q", tt.path, tt.follow, resp.StatusCode, final, tt.status, tt.final)
		}
	}
}

func TestNewClientNamesWhatIsWrong(t *testing.T) {
	cfg := promconfig.DefaultHTTPClientConfig
	cfg.TLSConfig.CAFile = "/does/not/exist"
	if _, err := NewClient(cfg, "test", "x"); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("error %v does not name the file", err)
	}
}

func TestNoAnswer(t *testing.T) {
	refused := errors.New("connection refused")
	tests := []struct {
		err    error
		reason string
		text   string
	}{
		{&url.Error{Op: "Post", URL: "http://h/?token=x", Err: refused}, ReasonNetwork, "connection refused"},
		{&url.Error{Op: "Post", URL: "http://h/?token=x", Err: context.DeadlineExceeded}, ReasonTimeout, "context deadline exceeded"},
		{refused, ReasonNetwork, "connection refused"},
	}
	for _, tt := range tests {
		reason, cause := NoAnswer(tt.err)
		if reason != tt.reason || cause.Error() != tt.text {
			t.Errorf("%v: %s, %v; want %s, %s", tt.err, reason, cause, tt.reason, tt.text)
		}
	}
}
