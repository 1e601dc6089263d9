package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// maxBody bounds the body of a request: nothing here takes more than a few form fields.
	maxBody     = 64 << 10
	bodyTimeout = 10 * time.Second
)

// guard decides which requests come through the main door.
type guard struct {
	logger     *slog.Logger
	metrics    *metrics
	onLoopback bool
	webConfig  string
	origins    *http.CrossOriginProtection
	hosts      map[string]bool // lower case, without port
}

func newGuard(opts Options, external *url.URL, onLoopback bool, m *metrics) *guard {
	g := &guard{
		logger:     opts.Logger,
		metrics:    m,
		onLoopback: onLoopback,
		webConfig:  opts.WebConfigFile,
		origins:    http.NewCrossOriginProtection(),
		hosts:      map[string]bool{"localhost": true},
	}
	g.origins.SetDenyHandler(http.HandlerFunc(g.denyCrossOrigin))
	if name, err := os.Hostname(); err == nil {
		g.allowHost(name)
		short, _, _ := strings.Cut(name, ".")
		g.allowHost(short)
	}
	if host, _, err := net.SplitHostPort(opts.ListenAddress); err == nil {
		g.allowHost(host)
	}
	if external != nil {
		g.allowHost(external.Hostname())
		origin := external.Scheme + "://" + external.Host
		if err := g.origins.AddTrustedOrigin(origin); err != nil {
			panic("BUG: " + err.Error()) // parseExternalURL took it
		}
	}
	return g
}

func (g *guard) allowHost(name string) {
	if name != "" {
		g.hosts[strings.ToLower(name)] = true
	}
}

// closed says whether no request at all can be authenticated, as far as the file says now.
func (g *guard) closed() bool {
	return !g.onLoopback && !authenticates(g.webConfig)
}

// wrap lets requests through to h that are authenticated where that is wanted, were meant for
// this host, do not come from another site's page, and are short.
func (g *guard) wrap(h http.Handler) http.Handler {
	h = g.boundBody(h)
	h = g.origins.Handler(h)
	h = g.checkHost(h)
	return g.checkAuth(h)
}

const closedText = `this address is not loopback and the request is not authenticated, so nothing but health is shown here. Do one of these:
  bind loopback: --web.listen-address 127.0.0.1:9910
  or set basic_auth_users, or client_auth_type: RequireAndVerifyClientCert, in a file given with --web.config.file
  or, for Prometheus and the kubelet, open the second door: --web.telemetry-address :9911`

func (g *guard) checkAuth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.onLoopback || authenticated(r, g.webConfig) {
			next.ServeHTTP(w, r)
			return
		}
		g.refuse(w, r, "unauthenticated", &Error{http.StatusForbidden, errors.New(closedText)})
	})
}

// checkHost refuses names that are not ours. A page of another site can make a browser
// resolve its own name to this address (DNS rebinding), and would then be of the same origin.
func (g *guard) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.hostAllowed(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		err := fmt.Errorf("this sidecar is not known as %q; use an IP address or localhost, or name it with --web.external-url", r.Host)
		g.refuse(w, r, "host", &Error{http.StatusMisdirectedRequest, err})
	})
}

// hostAllowed takes the value of a Host header. An empty one is of a client that predates
// the header, which no browser does.
func (g *guard) hostAllowed(host string) bool {
	if host == "" {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return g.hosts[name] || strings.HasSuffix(name, ".localhost")
}

func (g *guard) denyCrossOrigin(w http.ResponseWriter, r *http.Request) {
	err := errors.New("a page of another site sent this request; if it is a proxy in front of this sidecar, name its address with --web.external-url")
	g.refuse(w, r, "cross_origin", &Error{http.StatusForbidden, err})
}

// boundBody reads the body before the handler runs, so that none waits on a slow sender.
func (g *guard) boundBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // a recorder in a test has none
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			code := http.StatusBadRequest
			if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
				code = http.StatusRequestEntityTooLarge
			}
			g.refuse(w, r, "body", &Error{code, fmt.Errorf("read request body: %w", err)})
			return
		}
		_ = rc.SetReadDeadline(time.Time{})
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func (g *guard) refuse(w http.ResponseWriter, r *http.Request, reason string, err error) {
	g.metrics.refused.WithLabelValues(reason).Inc()
	g.logger.Warn("request refused", "reason", reason, "method", r.Method, "path", r.URL.Path, "host", r.Host, "remote", r.RemoteAddr)
	writeError(w, r, err)
}

// secure sets the headers that hold for every answer.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// Not no-referrer: browsers then send Origin: null with our own forms.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Content-Security-Policy", strictPolicy)
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// strictPolicy is for what is no page; the page has its own.
const strictPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
