package config

import (
	"net/http"
	"net/url"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"outrider/profiler/pyroscope"
)

// tenantHeader tells multi-tenant backends whose data it is.
const tenantHeader = "X-Scope-OrgID"

// endpoint checks what the two kinds of endpoints share.
func (r *report) endpoint(p path, u *promconfig.URL, headers map[string]string, c *promconfig.HTTPClientConfig) {
	r.endpointURL(p.at("url"), u)
	for name, value := range headers {
		at := p.at("headers", name)
		if msg := checkHeader(name, value); msg != "" && !r.bad(at) {
			r.errorf(at, "%s", msg)
		}
	}
	r.httpClient(p, c)
}

func (r *report) endpointURL(p path, u *promconfig.URL) {
	if r.bad(p) {
		return
	}
	if u == nil || u.URL == nil || u.String() == "" {
		r.errorf(p, "missing: each endpoint needs an address")
		return
	}
	if msg := checkURL(u.URL); msg != "" {
		r.errorf(p, "%s", msg)
	}
}

// endpointName wants a name that none of the endpoints before has; seen holds where they are.
func (r *report) endpointName(p path, name string, seen map[string]int) {
	if name == "" || r.bad(p) {
		return
	}
	line, dup := seen[name]
	switch {
	case dup && r.given(p):
		r.errorf(p, "%q is the name of another endpoint, on line %d", name, line)
	case dup:
		r.errorf(p, "missing: the name made from the URL, %q, is that of another endpoint, on line %d", name, line)
	default:
		seen[name] = r.line(p)
	}
}

func (r *report) pyroscope(p path, c *pyroscope.Config) {
	for name := range c.Headers {
		if c.Tenant != "" && http.CanonicalHeaderKey(name) == http.CanonicalHeaderKey(tenantHeader) {
			r.errorf(p.at("headers", name), "the tenant is given twice: here and as tenant")
		}
	}
	if at := p.at("tenant"); !r.bad(at) && !validHeaderValue(c.Tenant) {
		r.errorf(at, "holds a character that no header can hold")
	}
	for name, value := range c.Labels {
		r.label(p.at("labels", name), name, value)
	}
}

// httpClient checks what the block's own Validate leaves to the first request.
func (r *report) httpClient(p path, c *promconfig.HTTPClientConfig) {
	at := p.at("oauth2", "token_url")
	if c.OAuth2 == nil || c.OAuth2.TokenURL == "" || r.bad(at) {
		return
	}
	u, err := url.Parse(c.OAuth2.TokenURL)
	if err != nil {
		r.errorf(at, "want a URL such as https://host/token: %s", urlReason(err))
		return
	}
	if msg := checkURL(u); msg != "" {
		r.errorf(at, "%s", msg)
	}
}

// checkURL says what keeps a URL from being requested, without repeating its credentials.
func checkURL(u *url.URL) string {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "want a URL that begins with http:// or https://"
	case u.Hostname() == "":
		return "the URL names no host"
	case u.Port() != "" && !validPort(u.Port()):
		return "the URL has no port from 1 to 65535"
	}
	return ""
}

// checkURLPath says what is wrong with the path of a request.
func checkURLPath(p string) string {
	switch {
	case !strings.HasPrefix(p, "/"):
		return "want a path that begins with /"
	case strings.ContainsAny(p, "?#"):
		return "want a path without ? or #"
	}
	return ""
}

// checkHeader says what is wrong with a header that is sent with each request.
func checkHeader(name, value string) string {
	canonical := http.CanonicalHeaderKey(name)
	switch _, reserved := promconfig.ReservedHeaders[canonical]; {
	case canonical == "Authorization":
		return "use basic_auth, authorization or oauth2"
	case reserved:
		return "a header that the sidecar sets itself"
	case name == "" || strings.ContainsFunc(name, notInHeaderName):
		return "not a valid header name"
	case !validHeaderValue(value):
		return "the value holds a character that no header can hold"
	}
	return ""
}

// notInHeaderName is the complement of RFC 9110's tchar.
func notInHeaderName(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

func validHeaderValue(v string) bool {
	return !strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
