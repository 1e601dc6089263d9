package console

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestHostAllowed(t *testing.T) {
	opts := options()
	opts.ListenAddress = "outrider.internal:9910"
	opts.ExternalURL = "https://Ops.Example.com:8443/outrider"
	external, err := parseExternalURL(opts.ExternalURL)
	if err != nil {
		t.Fatal(err)
	}
	g := newGuard(opts, external, true, newMetrics(""))
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"":                        true,
		"localhost":               true,
		"localhost:9910":          true,
		"LOCALHOST:9910":          true,
		"localhost.:9910":         true,
		"app.localhost:1":         true,
		"127.0.0.1":               true,
		"127.0.0.1:9910":          true,
		"10.1.2.3:9910":           true,
		"[::1]":                   true,
		"[::1]:9910":              true,
		name:                      true,
		name + ":9910":            true,
		"ops.example.com":         true,
		"ops.example.com:8443":    true,
		"outrider.internal:9910":  true,
		"evil.com":                false,
		"evil.com:9910":           false,
		"localhost.evil.com":      false,
		"evillocalhost":           false,
		"127.0.0.1.evil.com:9910": false,
		"example.com":             false,
		"a.ops.example.com":       false,
		"x" + name + ".evil.com":  false,
		":9910":                   false,
	} {
		if got := g.hostAllowed(host); got != want {
			t.Errorf("hostAllowed(%q) = %v, want %v", host, got, want)
		}
	}
}

// The things of the main door, each with a method it answers.
var mainDoor = map[string]string{
	"/":                    "GET",
	"/metrics":             "GET",
	"/targets/metrics":     "GET",
	"/api/v1/status":       "GET",
	"/api/v1/profile":      "POST",
	"/-/reload":            "POST",
	"/-/flush":             "POST",
	"/debug/pprof/":        "GET",
	"/debug/pprof/heap":    "GET",
	"/debug/pprof/cmdline": "GET",
	"/nowhere":             "GET",
}

func TestDoorOffLoopbackIsClosedWithoutAuthentication(t *testing.T) {
	tlsOnly := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(tlsOnly, []byte("http_server_config: {http2: false}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"", tlsOnly} {
		opts := options()
		opts.WebConfigFile = file
		opts.Capture = nil // calling it would panic
		c := closedConsole(t, opts)
		if !c.guard.closed() {
			t.Errorf("with %q the door is not known to be closed", file)
		}
		h := c.mainHandler()
		for path, method := range mainDoor {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(method, "http://10.0.0.1:9910"+path, nil)
			// Credentials that nobody checked count for nothing.
			r.SetBasicAuth("admin", "guess")
			h.ServeHTTP(w, r)
			got := answer{w.Code, w.Result().Header, w.Body.String()}
			for _, fix := range []string{"--web.listen-address 127.0.0.1", "basic_auth_users", "RequireAndVerifyClientCert", "--web.config.file", "--web.telemetry-address"} {
				wantAnswer(t, got, http.StatusForbidden, fix)
			}
		}
		for _, path := range []string{"/-/healthy", "/-/ready"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "http://outrider.shops.svc:9910"+path, nil))
			if w.Code != http.StatusOK {
				t.Errorf("%s answers %d", path, w.Code)
			}
		}
		if got := testutil.ToFloat64(c.metrics.refused.WithLabelValues("unauthenticated")); got != float64(len(mainDoor)) {
			t.Errorf("counted %v refused, want %d", got, len(mainDoor))
		}
	}
}

func TestDoorOffLoopbackOpensForAUserThatTheToolkitKnows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("basic_auth_users: {admin: " + opensesame + "}\n")
	opts := options()
	opts.WebConfigFile = file
	c := closedConsole(t, opts)
	h := c.mainHandler()
	get := func(user string) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://10.0.0.1:9910/api/v1/status", nil)
		if user != "" {
			r.SetBasicAuth(user, "opensesame")
		}
		h.ServeHTTP(w, r)
		return w.Code
	}
	if c.guard.closed() {
		t.Error("taken for closed")
	}
	if got := get("admin"); got != http.StatusOK {
		t.Errorf("admin gets %d", got)
	}
	if got := get(""); got != http.StatusForbidden {
		t.Errorf("nobody gets %d", got)
	}
	if got := get("other"); got != http.StatusForbidden {
		t.Errorf("somebody else gets %d", got)
	}
	// The toolkit would now ask nobody for a password.
	write("basic_auth_users: {}\n")
	if got := get("admin"); got != http.StatusForbidden {
		t.Errorf("once the users are gone admin gets %d", got)
	}
	write(": not yaml")
	if got := get("admin"); got != http.StatusForbidden {
		t.Errorf("with a broken file admin gets %d", got)
	}
}

func TestAuthenticates(t *testing.T) {
	for content, want := range map[string]bool{
		"": false,
		"tls_server_config: {cert_file: c, key_file: k}":                                                                  false,
		"tls_server_config: {cert_file: c, key_file: k, client_auth_type: VerifyClientCertIfGiven, client_ca_file: a}":    false,
		"tls_server_config: {cert_file: c, key_file: k, client_auth_type: RequireAnyClientCert}":                          false,
		"tls_server_config: {cert_file: c, key_file: k, client_auth_type: RequireAndVerifyClientCert, client_ca_file: a}": true,
		"basic_auth_users: {}":                      false,
		"basic_auth_users: {a: " + opensesame + "}": true,
		"basic_auth_users: [":                       false,
	} {
		file := filepath.Join(t.TempDir(), "web.yml")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := authenticates(file); got != want {
			t.Errorf("%q: %v, want %v", content, got, want)
		}
	}
	if authenticates("") {
		t.Error("no file at all authenticates")
	}
	if authenticates("testdata/none.yml") {
		t.Error("a missing file authenticates")
	}
}

func TestRequestsOfOtherSitesAreRefused(t *testing.T) {
	opts := options()
	opts.ExternalURL = "http://ops.example.com/outrider"
	c := run(t, opts)
	base := "http://" + c.Addr()
	for name, tc := range map[string]struct {
		method, path string
		headers      []string
		code         int
		text         string
	}{
		"curl":                                {"POST", "/-/reload", nil, 200, "configuration loaded"},
		"curl with PUT":                       {"PUT", "/-/reload", nil, 200, ""},
		"our own page":                        {"POST", "/-/reload", []string{"Sec-Fetch-Site: same-origin", "Origin: " + base}, 200, ""},
		"our own page, old browser":           {"POST", "/-/flush", []string{"Origin: " + base}, 200, ""},
		"a page of another site":              {"POST", "/-/reload", []string{"Sec-Fetch-Site: cross-site", "Origin: http://evil.com"}, 403, "a page of another site"},
		"a page of another site, old browser": {"POST", "/-/flush", []string{"Origin: http://evil.com"}, 403, "--web.external-url"},
		"a page on another port":              {"POST", "/api/v1/profile?target=a&type=cpu", []string{"Sec-Fetch-Site: same-site", "Origin: http://127.0.0.1:1"}, 403, "another site"},
		"a sandboxed page":                    {"POST", "/-/reload", []string{"Origin: null"}, 403, "another site"},
		"a proxy that is known":               {"POST", "/-/reload", []string{"Origin: http://ops.example.com"}, 200, ""},
		"a proxy that is known, its host":     {"GET", "/api/v1/status", []string{"Host: ops.example.com"}, 200, ""},
		"a link from elsewhere":               {"GET", "/", []string{"Sec-Fetch-Site: cross-site"}, 200, "<h1>"},
		"rebinding":                           {"GET", "/metrics", []string{"Host: evil.com"}, 421, `not known as "evil.com"; use an IP address or localhost, or name it with --web.external-url`},
		"rebinding, same origin":              {"POST", "/-/reload", []string{"Host: evil.com:80", "Origin: http://evil.com:80", "Sec-Fetch-Site: same-origin"}, 421, ""},
		"rebinding of profiles":               {"GET", "/debug/pprof/heap", []string{"Host: evil.com"}, 421, ""},
		"another site's image of a trace":     {"GET", "/debug/pprof/trace?seconds=1", []string{"Sec-Fetch-Site: cross-site"}, 403, "another site"},
		"the same, old browser":               {"GET", "/debug/pprof/profile?seconds=1", []string{"Origin: http://evil.com"}, 403, "another site"},
		"go tool pprof":                       {"GET", "/debug/pprof/goroutine?debug=1", nil, 200, "goroutine profile"},
		"our own page's link to profiles":     {"GET", "/debug/pprof/", []string{"Sec-Fetch-Site: same-origin"}, 200, "goroutine"},
		"an address typed in a browser":       {"GET", "/debug/pprof/", []string{"Sec-Fetch-Site: none"}, 200, "goroutine"},
		"a recording without end":             {"GET", "/debug/pprof/trace?seconds=3600", nil, 400, "seconds: want 0 to 60"},
		"a recording of nonsense":             {"GET", "/debug/pprof/profile?seconds=NaN", nil, 400, "seconds: want 0 to 60"},
		"a probe by name":                     {"GET", "/-/ready", []string{"Host: shop.svc"}, 200, "ready"},
		"as JSON": {"GET", "/metrics", []string{"Host: evil.com", "Accept: application/json"}, 421, `{
  "error": "this sidecar is not known as \"evil.com\"`},
	} {
		t.Run(name, func(t *testing.T) {
			wantAnswer(t, ask(t, http.DefaultClient, tc.method, base+tc.path, tc.headers...), tc.code, tc.text)
		})
	}
	for reason, want := range map[string]float64{"cross_origin": 6, "host": 4, "unauthenticated": 0} {
		if got := testutil.ToFloat64(c.metrics.refused.WithLabelValues(reason)); got != want {
			t.Errorf("refused %v for %s, want %v", got, reason, want)
		}
	}
}

func TestBodyIsBounded(t *testing.T) {
	got := make(chan string, 1)
	opts := options()
	c := run(t, opts)
	h := c.guard.boundBody(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.FormValue("timeout")
	}))
	post := func(body string) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/-/flush", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		h.ServeHTTP(w, r)
		return w.Code
	}
	if code := post("timeout=3s"); code != http.StatusOK {
		t.Errorf("a form gets %d", code)
	}
	if v := <-got; v != "3s" {
		t.Errorf("the handler sees %q", v)
	}
	if code := post(strings.Repeat("x", maxBody+1)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too large gets %d", code)
	}

	// And over the wire.
	resp, err := http.Post("http://"+c.Addr()+"/-/reload", "text/plain", strings.NewReader(strings.Repeat("x", maxBody+1)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("over the wire it gets %d", resp.StatusCode)
	}
}
