package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outrider/agent/discover"
)

func TestFromEnv(t *testing.T) {
	c, warnings, err := FromEnv(env(
		"OUTRIDER_SERVICE", "checkout",
		"OUTRIDER_TARGET", "localhost:8080",
		"OUTRIDER_PPROF_URL", "http://localhost:6060/debug/pprof/",
		"OUTRIDER_LABELS", "env=prod, team=payments",
		"OUTRIDER_SCRAPE_INTERVAL", "5s",
		"OUTRIDER_SPOOL_MAX_BYTES", "64MiB",
		"OUTRIDER_REMOTE_WRITE_URL", "http://prometheus:9090/api/v1/write",
		"OUTRIDER_REMOTE_WRITE_PROTOBUF_MESSAGE", "io.prometheus.write.v2.Request",
		"OUTRIDER_REMOTE_WRITE_BEARER_TOKEN_FILE", "/token",
		"OUTRIDER_REMOTE_WRITE_TENANT", "a",
		"OUTRIDER_PYROSCOPE_URL", "https://pyroscope:4040",
		"OUTRIDER_PYROSCOPE_BASIC_AUTH_USERNAME", "me",
		"OUTRIDER_PYROSCOPE_BASIC_AUTH_PASSWORD", "hunter2",
		"OUTRIDER_PYROSCOPE_CA_FILE", "/ca.pem",
		"OUTRIDER_PYROSCOPE_TENANT", "b",
		"OUTRIDER_SELF_METRICS", "false",
		"OUTRIDER_SELF_PROFILES", "1",
		"POD_NAME", "checkout-1",
	), "host")
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	got, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/env.effective", string(got))
	if p := string(c.PyroscopeWrite[0].HTTPClient.BasicAuth.Password); p != "hunter2" {
		t.Errorf("password: got %q", p)
	}
	if _, _, err := Parse("env.yml", got, env(), "/"); err != nil {
		t.Errorf("what the environment means does not load as a file:\n%v", err)
	}
}

// TestFromEnvInstance wants the identity of the pod on the one target there is, by whatever
// name it is reached, and with the port of its metrics.
func TestFromEnvInstance(t *testing.T) {
	for _, tt := range []struct {
		want string
		env  []string
	}{
		{"pod-1:8080", []string{"POD_NAME", "pod-1", "OUTRIDER_TARGET", "checkout:8080"}},
		{"eu-1:8080", []string{"POD_NAME", "pod-1", "OUTRIDER_INSTANCE", "eu-1", "OUTRIDER_TARGET", "checkout:8080"}},
		{"pod-1:80", []string{"POD_NAME", "pod-1", "OUTRIDER_METRICS_URL", "http://checkout/metrics", "OUTRIDER_PPROF_URL", "http://admin:6060/debug/pprof"}},
		{"mine", []string{"POD_NAME", "pod-1", "OUTRIDER_LABELS", "instance=mine", "OUTRIDER_TARGET", "checkout:8080"}},
		{"", []string{"OUTRIDER_TARGET", "checkout:8080"}}, // discovery decides
	} {
		c, _, err := FromEnv(env(append(tt.env, "OUTRIDER_SERVICE", "svc")...), "host")
		if err != nil {
			t.Fatal(err)
		}
		got := c.ScrapeConfigs[0].Discover.StaticConfigs[0].Labels["instance"]
		if string(got) != tt.want {
			t.Errorf("%v: instance %q, want %q", tt.env, got, tt.want)
		}
		for _, p := range c.ProfileConfigs {
			if sc := p.Discover.StaticConfigs; len(sc) > 0 && sc[0].Labels["instance"] != got {
				t.Errorf("%v: profiles have instance %q", tt.env, sc[0].Labels["instance"])
			}
		}
	}
}

// TestFromEnvPprof places the pprof handlers beside, behind and away from the metrics.
func TestFromEnvPprof(t *testing.T) {
	type place struct {
		Job, Targets, Scheme, Path string
		Port                       int
	}
	f := func(want place, pairs ...string) {
		t.Helper()
		c, _, err := FromEnv(env(append(pairs, "OUTRIDER_SERVICE", "svc")...), "host")
		if err != nil {
			t.Errorf("%q: %v", pairs, err)
			return
		}
		var got place
		if len(c.ProfileConfigs) > 0 {
			p := c.ProfileConfigs[0]
			got = place{Job: p.ScrapeJob, Scheme: p.Profiler.Scheme, Path: p.Profiler.PprofPath, Port: p.Port}
			for _, g := range p.Discover.StaticConfigs {
				got.Targets = strings.Join(g.Targets, ",")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", pairs, diff)
		}
	}
	f(place{Job: "svc", Path: "/debug/pprof"}, "OUTRIDER_TARGET", "localhost:80")
	f(place{Job: "svc", Path: "/debug/pprof"}, "OUTRIDER_TARGET", "localhost:80", "OUTRIDER_METRICS_URL", "http://localhost/m")
	f(place{Job: "svc", Path: "/pprof", Port: 6060, Scheme: "http"}, "OUTRIDER_TARGET", "localhost:80", "OUTRIDER_PPROF_URL", "http://localhost:6060/pprof")
	f(place{Job: "svc", Path: "/debug/pprof", Port: 443, Scheme: "https"}, "OUTRIDER_TARGET", "localhost:80", "OUTRIDER_PPROF_URL", "https://localhost/debug/pprof")
	f(place{Targets: "[::1]:6060", Path: "/", Scheme: "https"}, "OUTRIDER_TARGET", "localhost:80", "OUTRIDER_PPROF_URL", "https://[::1]:6060")
	f(place{Targets: "localhost:80", Path: "/debug/pprof", Scheme: "http"}, "OUTRIDER_TARGET", "localhost:80", "OUTRIDER_METRICS_URL", "off")
	f(place{}, "OUTRIDER_TARGET", "localhost:80", "OUTRIDER_PPROF_URL", "off")
	f(place{}, "OUTRIDER_METRICS_URL", "http://localhost:80/metrics")
}

func TestFromEnvErrors(t *testing.T) {
	f := func(want string, pairs ...string) {
		t.Helper()
		_, _, err := FromEnv(env(pairs...), "host")
		got := ""
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", pairs, diff)
		}
	}
	ok := func(pairs ...string) []string {
		return append(pairs, "OUTRIDER_SERVICE", "svc", "OUTRIDER_TARGET", "localhost:8080")
	}
	f("nothing to watch: set OUTRIDER_TARGET=host:port and OUTRIDER_SERVICE=name, or give --config.file")
	f("nothing to watch: set OUTRIDER_TARGET=host:port and OUTRIDER_SERVICE=name, or give --config.file", "OUTRIDER_SERVICE", "svc")
	f("OUTRIDER_SERVICE: missing: set it to the name of the service, for the labels job and service_name", "OUTRIDER_TARGET", "localhost:80")
	f(`OUTRIDER_TARGET: want host:port, got "x"`, "OUTRIDER_TARGET", "x")
	f(`OUTRIDER_TARGET: want host:port, got ":8080"`, "OUTRIDER_TARGET", ":8080")
	f(`OUTRIDER_TARGET: want host:port, got "localhost:http"`, "OUTRIDER_TARGET", "localhost:http")
	f(`OUTRIDER_TARGET: want host:port, got "http://localhost:80"`, "OUTRIDER_TARGET", "http://localhost:80")
	f("OUTRIDER_METRICS_URL: want a URL that begins with http:// or https://", ok("OUTRIDER_METRICS_URL", "localhost:80/metrics")...)
	f("OUTRIDER_METRICS_URL: must not hold a user name or password: a service that wants one takes a configuration file", ok("OUTRIDER_METRICS_URL", "http://u:p@localhost:80/")...)
	f("OUTRIDER_PPROF_URL: the URL names no host", ok("OUTRIDER_PPROF_URL", "http:///debug/pprof")...)
	f(`OUTRIDER_LABELS: want name=value,name=value, got "prod"`, ok("OUTRIDER_LABELS", "prod")...)
	f(`OUTRIDER_LABELS: "__x=y": label names that start with two underscores are reserved`, ok("OUTRIDER_LABELS", "a=b,__x=y")...)
	f(`OUTRIDER_LABELS: label "a" is given twice`, ok("OUTRIDER_LABELS", "a=b,a=c")...)
	f(`OUTRIDER_SCRAPE_INTERVAL: want a duration such as 15s or 1m30s, got "15"`, ok("OUTRIDER_SCRAPE_INTERVAL", "15")...)
	f(`OUTRIDER_SPOOL_MAX_BYTES: want a size with its unit, such as 64MiB, and not less than 1MiB, got "64"`, ok("OUTRIDER_SPOOL_MAX_BYTES", "64")...)
	f(`OUTRIDER_SPOOL_MAX_BYTES: want a size with its unit, such as 64MiB, and not less than 1MiB, got "64KiB"`, ok("OUTRIDER_SPOOL_MAX_BYTES", "64KiB")...)
	f("OUTRIDER_SCRAPE_INTERVAL: must be longer than 0s", ok("OUTRIDER_SCRAPE_INTERVAL", "0s")...)
	f(`OUTRIDER_SELF_METRICS: want true or false, got "nope"`, ok("OUTRIDER_SELF_METRICS", "nope")...)
	f("OUTRIDER_SELF_PROFILES: needs OUTRIDER_PYROSCOPE_URL", ok("OUTRIDER_SELF_PROFILES", "true")...)
	f("OUTRIDER_REMOTE_WRITE_URL: want a URL such as http://host:port/path: it cannot be parsed; a user name and password must be percent-encoded",
		ok("OUTRIDER_REMOTE_WRITE_URL", "http://me:s3cr%t@host/")...)
	f(`OUTRIDER_REMOTE_WRITE_PROTOBUF_MESSAGE: unknown value "2.0", known are: io.prometheus.write.v2.Request, prometheus.WriteRequest`,
		ok("OUTRIDER_REMOTE_WRITE_PROTOBUF_MESSAGE", "2.0")...)
	f("OUTRIDER_PYROSCOPE_TENANT: holds a character that no header can hold", ok("OUTRIDER_PYROSCOPE_TENANT", "a\nb")...)
	f("OUTRIDER_REMOTE_WRITE_BASIC_AUTH_PASSWORD: excludes OUTRIDER_REMOTE_WRITE_BASIC_AUTH_PASSWORD_FILE\n"+
		"OUTRIDER_REMOTE_WRITE_BASIC_AUTH_USERNAME: missing: there is a password for it",
		ok("OUTRIDER_REMOTE_WRITE_URL", "http://h", "OUTRIDER_REMOTE_WRITE_BASIC_AUTH_PASSWORD", "p", "OUTRIDER_REMOTE_WRITE_BASIC_AUTH_PASSWORD_FILE", "f")...)
	f("OUTRIDER_PYROSCOPE_BEARER_TOKEN_FILE: excludes OUTRIDER_PYROSCOPE_BASIC_AUTH_USERNAME",
		ok("OUTRIDER_PYROSCOPE_URL", "http://h", "OUTRIDER_PYROSCOPE_BASIC_AUTH_USERNAME", "p", "OUTRIDER_PYROSCOPE_BEARER_TOKEN_FILE", "f")...)
}

func TestFromEnvWarnings(t *testing.T) {
	_, warnings, err := FromEnv(env(
		"OUTRIDER_SERVICE", "svc", "OUTRIDER_TARGET", "localhost:8080",
		"OUTRIDER_REMOTE_WRITE_TENANT", "a",
	), "host")
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, warnings,
		"OUTRIDER_REMOTE_WRITE_*: has no effect without OUTRIDER_REMOTE_WRITE_URL",
		"OUTRIDER_REMOTE_WRITE_URL: not set: metrics are not pushed, only served on /targets/metrics",
		"OUTRIDER_PYROSCOPE_URL: not set: profiles are taken on demand only",
	)
}

// TestVariablesBesideFile tells variables that a file refers to from those it silences.
func TestVariablesBesideFile(t *testing.T) {
	const file = `
scrape_configs:
  - job_name: a
    static_configs:
      - targets: ["${OUTRIDER_TARGET}"]
remote_write:
  - url: http://localhost/write
`
	_, warnings, err := Parse("f.yml", []byte(file), env(
		"OUTRIDER_TARGET", "localhost:8080", "OUTRIDER_SERVICE", "svc",
		"OUTRIDER_INSTANCE", "me", "POD_NAME", "pod", "OUTRIDER_STORAGE_PATH", "/data",
	), "/")
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, warnings, "OUTRIDER_SERVICE: has no effect: there is a configuration file")
}

func TestUnknownVariables(t *testing.T) {
	wantWarnings(t, UnknownVariables([]string{
		"PATH=/bin",
		"OUTRIDER_SERVICE=svc", "OUTRIDER_STORAGE_PATH=/data", "OUTRIDER_URL=http://localhost:9910",
		"OUTRIDER_TARGETS=localhost:80",
		"OUTRIDER_REMOTEWRITE_URL=http://h",
		"OUTRIDER_ZEBRA=1",
		// What Kubernetes sets for Services called outrider and outrider-gateway.
		"OUTRIDER_PORT=tcp://10.0.0.1:9911", "OUTRIDER_SERVICE_HOST=10.0.0.1", "OUTRIDER_SERVICE_PORT=9911", "OUTRIDER_SERVICE_PORT_HTTP=9911",
		"OUTRIDER_PORT_9911_TCP=x", "OUTRIDER_PORT_9911_TCP_ADDR=10.0.0.1", "OUTRIDER_GATEWAY_SERVICE_HOST=10.0.0.2",
	}),
		"OUTRIDER_REMOTEWRITE_URL: unknown variable, did you mean OUTRIDER_REMOTE_WRITE_URL?",
		"OUTRIDER_TARGETS: unknown variable, did you mean OUTRIDER_TARGET?",
		"OUTRIDER_ZEBRA: unknown variable",
	)
}

func TestIdentityFromEnv(t *testing.T) {
	f := func(want discover.Identity, hostname string, pairs ...string) {
		t.Helper()
		if diff := cmp.Diff(want, IdentityFromEnv(env(pairs...), hostname)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", pairs, diff)
		}
	}
	f(discover.Identity{Instance: "unknown"}, "")
	f(discover.Identity{Instance: "host"}, "host")
	f(discover.Identity{Instance: "pod-1", Pod: "pod-1", Namespace: "shop", Node: "n1"}, "host",
		"POD_NAME", "pod-1", "POD_NAMESPACE", "shop", "NODE_NAME", "n1")
	f(discover.Identity{Instance: "me", Pod: "pod-1"}, "host", "OUTRIDER_INSTANCE", "me", "POD_NAME", "pod-1",
		"OUTRIDER_TARGET", "not an address")
}

func wantWarnings(t *testing.T, got []Warning, want ...string) {
	t.Helper()
	var lines []string
	for _, w := range got {
		lines = append(lines, w.String())
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
