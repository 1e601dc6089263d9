package config

import (
	"cmp"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/discover"
	"outrider/agent/remotewrite"
	"outrider/agent/scrape"
	"outrider/profiler"
	"outrider/profiler/pyroscope"
)

// nothingToWatch is the whole help for somebody who just started the binary.
const nothingToWatch = "nothing to watch: set OUTRIDER_TARGET=host:port and OUTRIDER_SERVICE=name, or give --config.file"

// FromEnv makes the configuration from environment variables alone. Errors are an Errors
// whose keys are variables.
func FromEnv(getenv func(string) string, hostname string) (*Config, []Warning, error) {
	r := newReport("")
	e := readEnv(r, getenv, func(variable) bool { return true })
	if len(r.errs) == 0 {
		e.check(r)
	}
	if len(r.errs) > 0 {
		_, err := r.result()
		return nil, r.warnings, err
	}
	c := e.config()
	c.resolve()
	c.check(r)
	warnings, err := r.result()
	if err != nil {
		return nil, warnings, err
	}
	return c, warnings, nil
}

// IdentityFromEnv returns who this copy of the service is. It counts with and without a
// configuration file. The host name stands in where nothing better is set.
func IdentityFromEnv(getenv func(string) string, hostname string) discover.Identity {
	e := readEnv(newReport(""), getenv, func(v variable) bool { return v.applies == always })
	id := e.identity
	id.Instance = cmp.Or(id.Instance, id.Pod, hostname, "unknown")
	return id
}

func readEnv(r *report, getenv func(string) string, want func(variable) bool) *environment {
	e := &environment{selfMetrics: true}
	for _, v := range variables() {
		value := getenv(v.name)
		if value == "" || !want(v) {
			continue
		}
		if msg := v.set(e, value); msg != "" {
			r.errorf(at(v.name), "%s", msg)
		}
	}
	if e.target != "" {
		e.metrics.setDefault(e.target, "/metrics")
		e.pprof.setDefault(e.target, "/debug/pprof")
	}
	return e
}

func (u *envURL) setDefault(target, path string) {
	if u.url == nil && !u.off {
		u.url = &url.URL{Scheme: "http", Host: target, Path: path}
	}
}

// check reports what is wrong between variables.
func (e *environment) check(r *report) {
	watches := e.metrics.url != nil || e.pprof.url != nil
	switch {
	case !watches:
		r.errorf(nil, nothingToWatch)
	case e.service == "":
		r.errorf(at("OUTRIDER_SERVICE"), "missing: set it to the name of the service, for the labels job and service_name")
	}
	e.remoteWrite.check(r, "OUTRIDER_REMOTE_WRITE_")
	e.pyroscope.check(r, "OUTRIDER_PYROSCOPE_")
	if e.selfProfiles && e.pyroscope.url == nil {
		r.errorf(at("OUTRIDER_SELF_PROFILES"), "needs OUTRIDER_PYROSCOPE_URL")
	}
	if e.remoteWrite.url == nil {
		r.warnf(at("OUTRIDER_REMOTE_WRITE_URL"), "not set: metrics are not pushed, only served on /targets/metrics")
	}
	if e.pyroscope.url == nil && e.pprof.url != nil {
		r.warnf(at("OUTRIDER_PYROSCOPE_URL"), "not set: profiles are taken on demand only")
	}
}

func (e *envEndpoint) check(r *report, prefix string) {
	if e.url == nil {
		if *e != (envEndpoint{}) {
			r.warnf(at(prefix+"*"), "has no effect without %sURL", prefix)
		}
		return
	}
	if e.bearerTokenFile != "" && e.username != "" {
		r.errorf(at(prefix+"BEARER_TOKEN_FILE"), "excludes %sBASIC_AUTH_USERNAME", prefix)
	}
	if e.password != "" && e.passwordFile != "" {
		r.errorf(at(prefix+"BASIC_AUTH_PASSWORD"), "excludes %sBASIC_AUTH_PASSWORD_FILE", prefix)
	}
	if e.username == "" && (e.password != "" || e.passwordFile != "") {
		r.errorf(at(prefix+"BASIC_AUTH_USERNAME"), "missing: there is a password for it")
	}
}

// config makes the blocks that a file would hold.
func (e *environment) config() *Config {
	c := withDefaults[Config]()
	c.Global.ScrapeInterval = e.interval
	c.Global.ExternalLabels = labels.FromMap(e.labels)
	c.Spool.MaxBytes = cmp.Or(e.spoolBytes, c.Spool.MaxBytes)
	c.SelfMetrics, c.SelfProfiles = e.selfMetrics, e.selfProfiles
	if e.metrics.url != nil {
		c.ScrapeConfigs = []*ScrapeConfig{e.scrapeConfig(e.metrics.url)}
	}
	if e.pprof.url != nil {
		c.ProfileConfigs = []*ProfileConfig{e.profileConfig(e.pprof.url)}
	}
	if e.remoteWrite.url != nil {
		w := withDefaults[remotewrite.Config]()
		w.URL = &promconfig.URL{URL: e.remoteWrite.url}
		w.ProtobufMessage = cmp.Or(e.message, w.ProtobufMessage)
		w.HTTPClient = e.remoteWrite.client(w.HTTPClient)
		if t := e.remoteWrite.tenant; t != "" {
			w.Headers = map[string]string{tenantHeader: t}
		}
		c.RemoteWrite = []*remotewrite.Config{w}
	}
	if e.pyroscope.url != nil {
		w := withDefaults[pyroscope.Config]()
		w.URL = &promconfig.URL{URL: e.pyroscope.url}
		w.Tenant = e.pyroscope.tenant
		w.HTTPClient = e.pyroscope.client(w.HTTPClient)
		c.PyroscopeWrite = []*pyroscope.Config{w}
	}
	return c
}

func (e *environment) scrapeConfig(u *url.URL) *ScrapeConfig {
	s := &ScrapeConfig{JobName: e.service, Discover: e.static(u), Scrape: *withDefaults[scrape.Config]()}
	s.Scrape.Scheme = u.Scheme
	s.Scrape.MetricsPath = cmp.Or(u.Path, "/")
	if u.RawQuery != "" {
		s.Scrape.Params = u.Query()
	}
	return s
}

// profileConfig takes the targets of the scrape job, and with them its labels and instance,
// where both are on one host.
func (e *environment) profileConfig(u *url.URL) *ProfileConfig {
	p := &ProfileConfig{JobName: e.service, Profiler: *withDefaults[profiler.Config]()}
	p.Profiler.PprofPath = cmp.Or(u.Path, "/")
	if m := e.metrics.url; m != nil && m.Hostname() == u.Hostname() {
		p.ScrapeJob = e.service
		if port := portOf(u); port != portOf(m) {
			p.Port = port
			p.Profiler.Scheme = u.Scheme
		}
		return p
	}
	p.Discover = e.static(u)
	p.Profiler.Scheme = u.Scheme
	return p
}

func (e *environment) static(u *url.URL) discover.Config {
	group := discover.StaticConfig{Targets: []string{u.Host}}
	if len(e.labels) > 0 {
		group.Labels = model.LabelSet{}
	}
	for name, value := range e.labels {
		group.Labels[model.LabelName(name)] = model.LabelValue(value)
	}
	// The one target there is is this copy of the service, by whatever name it is reached.
	if id := cmp.Or(e.identity.Instance, e.identity.Pod); id != "" && e.labels[model.InstanceLabel] == "" {
		if group.Labels == nil {
			group.Labels = model.LabelSet{}
		}
		at := u // of its metrics, also for profiles that are taken elsewhere
		if e.metrics.url != nil {
			at = e.metrics.url
		}
		group.Labels[model.InstanceLabel] = model.LabelValue(net.JoinHostPort(id, strconv.Itoa(portOf(at))))
	}
	return discover.Config{StaticConfigs: []discover.StaticConfig{group}}
}

// portOf returns the port that a URL is requested at.
func portOf(u *url.URL) int {
	if n, err := strconv.Atoi(u.Port()); err == nil {
		return n
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// idleVariables warns of variables that a file puts out of effect, unless it refers to them.
func (r *report) idleVariables(getenv func(string) string, used map[string]bool) {
	for _, v := range variables() {
		if v.applies == withoutCfg && !used[v.name] && getenv(v.name) != "" {
			r.warnings = append(r.warnings, Warning{Key: v.name, Msg: "has no effect: there is a configuration file"})
		}
	}
}

// kubernetesVariable matches what Kubernetes sets for a Service that is called outrider.
var kubernetesVariable = regexp.MustCompile(`^OUTRIDER_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// UnknownVariables warns of variables of environ, given as "name=value", that look like ours
// but are not.
func UnknownVariables(environ []string) []Warning {
	known := slices.Clone(readElsewhere)
	for _, v := range variables() {
		known = append(known, v.name)
	}
	var ws []Warning
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "OUTRIDER_") || slices.Contains(known, name) || kubernetesVariable.MatchString(name) {
			continue
		}
		msg := "unknown variable"
		if near := suggest(name, known); len(near) > 0 {
			msg += ", did you mean " + strings.Join(near, " or ") + "?"
		}
		ws = append(ws, Warning{Key: name, Msg: msg})
	}
	slices.SortFunc(ws, func(a, b Warning) int { return strings.Compare(a.Key, b.Key) })
	return ws
}
