package config

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/alecthomas/units"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"outrider/agent/discover"
	"outrider/agent/remotewrite"
)

// variable is one environment variable.
type variable struct {
	name    string
	help    string // one sentence or two, for the reference
	unset   string // what holds then, as the reference shows it
	applies scope
	// set takes a value that is not empty and returns what is wrong with it, or "".
	set func(e *environment, value string) string
}

// scope says when a variable counts.
type scope int

const (
	always     scope = iota // with a configuration file as well: identity
	withoutCfg              // only when there is no file
)

// environment is what the variables say.
type environment struct {
	identity discover.Identity

	service     string
	target      string // host:port
	metrics     envURL
	pprof       envURL
	labels      map[string]string
	interval    model.Duration
	spoolBytes  units.Base2Bytes
	remoteWrite envEndpoint
	message     string // of remote write
	pyroscope   envEndpoint

	selfMetrics, selfProfiles bool
}

// envURL is an address that can be switched off.
type envURL struct {
	url *url.URL
	off bool
}

// envEndpoint is an endpoint and how to be let in.
type envEndpoint struct {
	url             *url.URL
	bearerTokenFile string
	username        string
	password        string
	passwordFile    string
	caFile          string
	tenant          string
}

// variables are all that the sidecar reads, in the order of the reference.
func variables() []variable {
	vs := []variable{
		{"OUTRIDER_INSTANCE", "Host part of the `instance` label, which tells two copies of a service apart. With a file it is that of targets on loopback; others keep their address.", "`POD_NAME`, else the host name", always,
			text(func(e *environment) *string { return &e.identity.Instance })},
		{"POD_NAME", "Label `pod` (downward API: metadata.name).", "", always,
			text(func(e *environment) *string { return &e.identity.Pod })},
		{"POD_NAMESPACE", "Label `namespace` (downward API: metadata.namespace).", "", always,
			text(func(e *environment) *string { return &e.identity.Namespace })},
		{"NODE_NAME", "Label `node` (downward API: spec.nodeName).", "", always,
			text(func(e *environment) *string { return &e.identity.Node })},

		{"OUTRIDER_SERVICE", "Name of the service: labels `job` and `service_name`. Needed.", "", withoutCfg,
			text(func(e *environment) *string { return &e.service })},
		{"OUTRIDER_TARGET", "Address of the service, host:port.", "", withoutCfg, setTarget},
		{"OUTRIDER_METRICS_URL", "Where its metrics are; `off` for none.", "`http://$OUTRIDER_TARGET/metrics`", withoutCfg,
			address(func(e *environment) *envURL { return &e.metrics })},
		{"OUTRIDER_PPROF_URL", "Base of its pprof handlers, which may be on a port of their own; `off` for none.", "`http://$OUTRIDER_TARGET/debug/pprof`", withoutCfg,
			address(func(e *environment) *envURL { return &e.pprof })},
		{"OUTRIDER_LABELS", "Labels of everything that is scraped, profiled and shipped: name=value,name=value.", "", withoutCfg, setLabels},
		{"OUTRIDER_SCRAPE_INTERVAL", "How often metrics are scraped.", "`" + defaultScrapeInterval.String() + "`", withoutCfg, setInterval},
		{"OUTRIDER_SPOOL_MAX_BYTES", "Most bytes that wait on disk for each endpoint of remote write; fit it to the volume at the storage path.", "`256MiB`", withoutCfg, setSpoolBytes},
		{"OUTRIDER_SELF_METRICS", "Whether the sidecar's own metrics are shipped as well.", "`true`", withoutCfg,
			boolean(func(e *environment) *bool { return &e.selfMetrics })},
		{"OUTRIDER_SELF_PROFILES", "Whether the sidecar profiles itself, for Pyroscope.", "`false`", withoutCfg,
			boolean(func(e *environment) *bool { return &e.selfProfiles })},
	}
	vs = append(vs, endpointVariables("OUTRIDER_REMOTE_WRITE_", "http://prometheus:9090/api/v1/write", func(e *environment) *envEndpoint { return &e.remoteWrite })...)
	vs = append(vs, variable{"OUTRIDER_REMOTE_WRITE_PROTOBUF_MESSAGE", "`" + remotewrite.MessageV1 + "` (remote write 1.0) or `" + remotewrite.MessageV2 + "` (2.0).", "`" + remotewrite.MessageV1 + "`", withoutCfg, setMessage})
	return append(vs, endpointVariables("OUTRIDER_PYROSCOPE_", "http://pyroscope:4040", func(e *environment) *envEndpoint { return &e.pyroscope })...)
}

func endpointVariables(prefix, example string, of func(*environment) *envEndpoint) []variable {
	return []variable{
		{prefix + "URL", "Address to ship to, such as `" + example + "`.", "", withoutCfg,
			func(e *environment, v string) string {
				u, msg := parseURL(v)
				of(e).url = u
				return msg
			}},
		{prefix + "BEARER_TOKEN_FILE", "File with a token for the Authorization header; read again for each request.", "", withoutCfg,
			text(func(e *environment) *string { return &of(e).bearerTokenFile })},
		{prefix + "BASIC_AUTH_USERNAME", "User name of basic authentication.", "", withoutCfg,
			text(func(e *environment) *string { return &of(e).username })},
		{prefix + "BASIC_AUTH_PASSWORD", "Password of basic authentication.", "", withoutCfg,
			text(func(e *environment) *string { return &of(e).password })},
		{prefix + "BASIC_AUTH_PASSWORD_FILE", "File with that password; read again for each request.", "", withoutCfg,
			text(func(e *environment) *string { return &of(e).passwordFile })},
		{prefix + "CA_FILE", "File with the certificate authorities to trust.", "those of the system", withoutCfg,
			text(func(e *environment) *string { return &of(e).caFile })},
		{prefix + "TENANT", "Tenant, sent as " + tenantHeader + ".", "", withoutCfg,
			func(e *environment, v string) string {
				if !validHeaderValue(v) {
					return "holds a character that no header can hold"
				}
				of(e).tenant = v
				return ""
			}},
	}
}

// readElsewhere are variables that stand for flags of the command line.
var readElsewhere = []string{"OUTRIDER_STORAGE_PATH", "OUTRIDER_URL", "OUTRIDER_PORTS"}

func text(of func(*environment) *string) func(*environment, string) string {
	return func(e *environment, v string) string {
		*of(e) = v
		return ""
	}
}

func boolean(of func(*environment) *bool) func(*environment, string) string {
	return func(e *environment, v string) string {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Sprintf("want true or false, got %q", short(v))
		}
		*of(e) = b
		return ""
	}
}

func address(of func(*environment) *envURL) func(*environment, string) string {
	return func(e *environment, v string) string {
		if v == "off" {
			of(e).off = true
			return ""
		}
		u, msg := parseURL(v)
		if msg == "" && u.User != nil {
			msg = "must not hold a user name or password: a service that wants one takes a configuration file"
		}
		of(e).url = u
		return msg
	}
}

func parseURL(v string) (*url.URL, string) {
	u, err := url.Parse(v)
	if err != nil {
		return nil, "want a URL such as http://host:port/path: " + urlReason(err)
	}
	return u, checkURL(u)
}

func setTarget(e *environment, v string) string {
	host, port, err := net.SplitHostPort(v)
	if err != nil || host == "" || !validPort(port) || discover.CheckAddress(v) != nil {
		return fmt.Sprintf("want host:port, got %q", short(v))
	}
	e.target = v
	return ""
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

func setLabels(e *environment, v string) string {
	e.labels = map[string]string{}
	for pair := range strings.SplitSeq(v, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok {
			return fmt.Sprintf("want name=value,name=value, got %q", short(pair))
		}
		if msg := checkLabel(name, value); msg != "" {
			return fmt.Sprintf("%q: %s", short(pair), msg)
		}
		if _, dup := e.labels[name]; dup {
			return fmt.Sprintf("label %q is given twice", name)
		}
		e.labels[name] = value
	}
	return ""
}

func setInterval(e *environment, v string) string {
	d, err := model.ParseDuration(v)
	if err != nil {
		return fmt.Sprintf("want a duration such as 15s or 1m30s, got %q", short(v))
	}
	if d == 0 {
		return "must be longer than 0s"
	}
	e.interval = d
	return ""
}

func setSpoolBytes(e *environment, v string) string {
	n, err := units.ParseBase2Bytes(v)
	if err != nil || n < minSpool {
		return fmt.Sprintf("want a size with its unit, such as 64MiB, and not less than %s, got %q", minSpool, short(v))
	}
	e.spoolBytes = n
	return ""
}

func setMessage(e *environment, v string) string {
	if v != remotewrite.MessageV1 && v != remotewrite.MessageV2 {
		return fmt.Sprintf("unknown value %q, %s", short(v), orElse(v, []string{remotewrite.MessageV1, remotewrite.MessageV2}))
	}
	e.message = v
	return ""
}

// client turns what the variables say of authentication into what HTTP clients take.
func (e *envEndpoint) client(base promconfig.HTTPClientConfig) promconfig.HTTPClientConfig {
	if e.bearerTokenFile != "" {
		base.Authorization = &promconfig.Authorization{Type: "Bearer", CredentialsFile: e.bearerTokenFile}
	}
	if e.username != "" {
		base.BasicAuth = &promconfig.BasicAuth{
			Username: e.username, Password: promconfig.Secret(e.password), PasswordFile: e.passwordFile,
		}
	}
	base.TLSConfig.CAFile = e.caFile
	return base
}
