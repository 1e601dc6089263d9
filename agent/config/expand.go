package config

import (
	"regexp"
	"strings"
)

// expandable are the places where ${NAME} stands for an environment variable. They are the
// whole list: a ${1} in a relabelling rule must stay what it is.
var expandable = []string{
	"global.external_labels.*",
	"static_configs.[].targets.[]",
	"remote_write.[].url",
	"remote_write.[].headers.*",
	"pyroscope_write.[].url",
	"pyroscope_write.[].headers.*",
	"pyroscope_write.[].tenant",
	"[].basic_auth.username",
	"[].basic_auth.password",
	"[].basic_auth.*_file",
	"[].authorization.credentials",
	"[].authorization.credentials_file",
	"[].bearer_token",
	"[].bearer_token_file",
	"[].oauth2.client_id",
	"[].oauth2.client_secret",
	"[].oauth2.client_certificate_key",
	"[].oauth2.*_file",
	"[].tls_config.key",
	"[].tls_config.*_file",
	"oauth2.tls_config.key",
	"oauth2.tls_config.*_file",
	"[].http_headers.*.secrets.[]",
	"[].http_headers.*.files.[]",
	"[].proxy_url",
	"[].proxy_connect_header.*.[]",
}

var variableRE = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand replaces each ${NAME} of a value by the environment variable, if p is a place for
// that. Nothing else is special, and what a variable holds is not expanded again.
func (d *decoder) expand(s string, p path) string {
	if !strings.Contains(s, "${") {
		return s
	}
	if !isExpandable(p) {
		// A relabelling rule may well name a group that looks like a variable.
		if m := variableRE.FindString(s); m != "" && m == strings.ToUpper(m) && !inRelabelling(p) {
			d.warnf(p, "environment variables are not expanded here: %s is taken as it is written", m)
		}
		return s
	}
	return variableRE.ReplaceAllStringFunc(s, func(ref string) string {
		name := ref[2 : len(ref)-1]
		value := d.getenv(name)
		if value == "" {
			d.errorf(p, "environment variable %s is not set or empty", name)
		}
		d.used[name] = true
		return value
	})
}

func isExpandable(p path) bool {
	for _, pattern := range expandable {
		if p.matches(strings.Split(pattern, ".")) {
			return true
		}
	}
	return false
}

func inRelabelling(p path) bool {
	for _, e := range p {
		if strings.HasSuffix(e, "relabel_configs") {
			return true
		}
	}
	return false
}
