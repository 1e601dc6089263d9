package config

import (
	"fmt"
	"strings"
	"testing"
)

const minimal = `
scrape_configs:
  - job_name: a
    static_configs:
      - targets: [localhost:8080]
`

// TestAliasBomb holds that a small file cannot become a large configuration.
func TestAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("remote_write:\n- &w0 {url: http://localhost/write}\n")
	b.WriteString("scrape_configs:\n- &l0\n  job_name: a\n")
	b.WriteString("  static_configs: [&s {targets: &t [" + strings.Repeat("a,", 1000) + "a]}" + strings.Repeat(",*s", 1000) + "]\n")
	_, _, err := Parse("bomb.yml", []byte(b.String()), env(), "/")
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the file holds more than %d values", maxValues)) {
		t.Errorf("got %.200v", err)
	}
}

func TestMergeCycle(t *testing.T) {
	for _, file := range []string{
		"global: &g\n  <<: *g\n",
		"global: &g\n  <<: [*g, *g]\n",
		"global: &g\n  <<: &h\n    <<: *g\n",
		"global: &g\n  <<: [*g" + strings.Repeat(", *g", 999) + "]\n",
	} {
		_, _, err := Parse("cycle.yml", []byte(file), env(), "/")
		if err == nil || !strings.Contains(err.Error(), "<< is nested too deep, or in itself") {
			t.Errorf("%q: got %v", file, err)
		}
	}
}

func TestExpansion(t *testing.T) {
	const file = `
global:
  external_labels: {a: "${A}-${B}", b: "$A $$ ${}", c: "${1}"}
scrape_configs:
  - job_name: "${JOB}"
    static_configs:
      - targets: ["${A}:80"]
        labels: {bearer_token: "${A}"}
    relabel_configs:
      - {source_labels: [x], target_label: y, replacement: "${GROUP}"}
    basic_auth: {username: "${A}", password_file: "${A}/pw"}
`
	c, warnings, err := Parse("f.yml", []byte(file), env("A", "one", "B", "${A}"), "/etc")
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, warnings,
		"f.yml: remote_write: no endpoint: metrics are not pushed, only served on /targets/metrics",
		"f.yml:5: scrape_configs[0].job_name: environment variables are not expanded here: ${JOB} is taken as it is written",
		"f.yml:8: scrape_configs[0].static_configs[0].labels.bearer_token: environment variables are not expanded here: ${A} is taken as it is written",
	)
	s := c.ScrapeConfigs[0]
	for _, tt := range []struct{ got, want string }{
		{c.ExternalLabels().Get("a"), "one-${A}"},
		{c.ExternalLabels().Get("b"), "$A $$ ${}"},
		{c.ExternalLabels().Get("c"), "${1}"},
		{s.JobName, "${JOB}"},
		{s.Discover.StaticConfigs[0].Targets[0], "one:80"},
		{s.Discover.RelabelConfigs[0].Replacement, "${GROUP}"},
		{s.Scrape.HTTPClient.BasicAuth.Username, "one"},
		{s.Scrape.HTTPClient.BasicAuth.PasswordFile, "/etc/one/pw"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// TestErrorsHoldNoSecrets breaks values that may be secret and looks for them.
func TestErrorsHoldNoSecrets(t *testing.T) {
	for _, block := range []string{
		`remote_write: [{url: "http://me:hunter2 @host/"}]`,
		`remote_write: [{url: "http://me:hunter2@host:port/"}]`,
		`remote_write: [{url: "ftp://me:hunter2@host/"}]`,
		`remote_write: [{url: "http://host/", headers: {X-Token: "hunter2\n"}}]`,
		`remote_write: [{url: "http://host/", basic_auth: hunter2}]`,
		`remote_write: [{url: "http://host/", oauth2: {client_id: a, client_secret: hunter2, token_url: "http://a:hunter2@%zz/"}}]`,
		`remote_write: [{url: "http://host/", proxy_url: "http://a:hunter2@%zz/"}]`,
		`remote_write: [{url: "${SECRET_URL}"}]`,
		`scrape_configs: [{job_name: a, static_configs: [{targets: ["me:hunter2@localhost:80"]}]}]`,
	} {
		_, _, err := Parse("f.yml", []byte(block), env("SECRET_URL", "://me:hunter2@host"), "/")
		if err == nil {
			t.Errorf("%s: no error", block)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error shows the secret: %v", block, err)
		}
	}
}

// TestLineOf names the line that an editor shows, whatever precedes it.
func TestLineOf(t *testing.T) {
	for _, prefix := range []string{"", "\n\n", "# a\n---\n", "%YAML 1.1\n---\n"} {
		file := prefix + "global:\n  scrape_interval:\n    1x\n"
		_, _, err := Parse("f.yml", []byte(file), env(), "/")
		want := fmt.Sprintf("f.yml:%d: global.scrape_interval: ", strings.Count(prefix, "\n")+2)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s...", prefix, err, want)
		}
	}
}
