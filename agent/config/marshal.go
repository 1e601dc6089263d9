package config

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"
)

// redacted stands for a secret, as in Prometheus.
const redacted = "<secret>"

// Marshal returns the configuration as YAML, with all defaults filled in and without
// secrets: what Prometheus holds for one, passwords in URLs, and the values of headers and
// parameters whose names tell. It loads again, apart from what was left out.
func (c *Config) Marshal() ([]byte, error) {
	var root yaml.Node
	if err := root.Encode(c); err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	redact(&root, nil)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&root); err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	return out.Bytes(), nil
}

// redact goes through the values below n and hides those that must not be seen.
func redact(n *yaml.Node, p path) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			redact(n.Content[i+1], p.at(n.Content[i].Value))
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			redact(item, p.at(i))
		}
	case yaml.ScalarNode:
		if n.Value == "" {
			return
		}
		switch {
		case isSecret(p):
			n.SetString(redacted)
		case p.matches([]string{"[]", "url"}), p.matches([]string{"proxy_url"}), p.matches([]string{"oauth2", "token_url"}):
			n.Value = redactURL(n.Value)
		}
	}
}

// isSecret says whether a value is hidden for the name that leads to it.
func isSecret(p path) bool {
	for _, pattern := range [][]string{
		{"headers", "*"}, {"params", "*", "[]"}, {"http_headers", "*", "values", "[]"}, {"endpoint_params", "*"}, {"claims", "*"},
	} {
		if p.matches(pattern) {
			at := len(p) - len(pattern) + 1 // the element that "*" stands for
			return soundsSecret(p[at])
		}
	}
	return false
}

// soundsSecret judges the name of a header or parameter. To hide too much does no harm.
func soundsSecret(name string) bool {
	name = strings.ToLower(name)
	for _, s := range []string{"auth", "token", "secret", "passw", "key", "cookie", "credential", "session", "signature", "jwt"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}

// redactURL hides the password of a URL, and parameters whose names tell.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return redacted
	}
	query := u.Query()
	changed := false
	for name := range query {
		if soundsSecret(name) {
			query[name] = []string{"xxxxx"}
			changed = true
		}
	}
	if changed {
		u.RawQuery = query.Encode()
	}
	return u.Redacted()
}
