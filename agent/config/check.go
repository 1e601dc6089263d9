package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/remotewrite"
	"outrider/agent/scrape"
	"outrider/agent/spool"
	"outrider/profiler"
)

// check reports what decoding cannot see: rules within a block and between blocks. It is
// called after resolve.
func (c *Config) check(r *report) {
	r.global(&c.Global)
	r.spool(at("spool"), c.Spool)
	scrapeJobs := map[string]int{}
	for i, s := range c.ScrapeConfigs {
		r.scrapeConfig(at("scrape_configs", i), s)
		r.jobName(at("scrape_configs", i, "job_name"), s.JobName, scrapeJobs)
	}
	profileJobs := map[string]int{}
	for i, p := range c.ProfileConfigs {
		r.profileConfig(at("profile_configs", i), p, slices.Sorted(maps.Keys(scrapeJobs)))
		r.jobName(at("profile_configs", i, "job_name"), p.JobName, profileJobs)
	}
	names := map[string]int{}
	for i, w := range c.RemoteWrite {
		p := at("remote_write", i)
		r.endpoint(p, w.URL, w.Headers, &w.HTTPClient)
		r.endpointName(p.at("name"), w.Name, names)
		r.oneOf(p.at("protobuf_message"), w.ProtobufMessage, remotewrite.MessageV1, remotewrite.MessageV2)
		r.oneOf(p.at("order"), w.Order, remotewrite.InOrder, remotewrite.FreshFirst)
		if at := p.at("shards"); !r.bad(at) && (w.Shards < 1 || w.Shards > remotewrite.MaxShards) {
			r.errorf(at, "want 1 to %d, got %d", remotewrite.MaxShards, w.Shards)
		}
		if r.given(p.at("spool")) {
			r.spool(p.at("spool"), w.Spool)
		}
		r.relabelling(p.at("write_relabel_configs"), w.WriteRelabelConfigs)
		r.stage(p, w)
	}
	names = map[string]int{}
	for i, w := range c.PyroscopeWrite {
		p := at("pyroscope_write", i)
		r.endpoint(p, w.URL, w.Headers, &w.HTTPClient)
		r.endpointName(p.at("name"), w.Name, names)
		r.pyroscope(p, w)
		r.stage(p, w)
	}
	if c.SelfProfiles && len(c.PyroscopeWrite) == 0 && !r.bad(at("pyroscope_write")) {
		r.errorf(at("self_profiles"), "needs an endpoint in pyroscope_write")
	}
}

// remarks warns of what a file may leave out but seldom means to.
func (c *Config) remarks(r *report) {
	if len(c.ScrapeConfigs) == 0 && len(c.ProfileConfigs) == 0 {
		r.warnf(nil, "neither scrape_configs nor profile_configs: nothing is watched but the sidecar itself")
	}
	if len(c.RemoteWrite) == 0 {
		r.warnf(at("remote_write"), "no endpoint: metrics are not pushed, only served on /targets/metrics")
	}
	if len(c.PyroscopeWrite) == 0 && len(c.ProfileConfigs) > 0 {
		r.warnf(at("pyroscope_write"), "no endpoint: profiles are taken on demand only")
	}
}

func (r *report) global(g *Global) {
	p := at("global")
	r.timing(p, g.ScrapeInterval, g.ScrapeTimeout)
	r.protocols(p.at("scrape_protocols"), g.ScrapeProtocols)
	g.ExternalLabels.Range(func(l labels.Label) {
		r.label(p.at("external_labels", l.Name), l.Name, l.Value)
	})
}

// minSpool holds some requests, whatever they are of.
const minSpool = units.MiB

func (r *report) spool(p path, c spool.Config) {
	if at := p.at("max_bytes"); !r.bad(at) && c.MaxBytes < minSpool {
		r.errorf(at, "want at least %s, got %s", minSpool, c.MaxBytes)
	}
}

func (r *report) scrapeConfig(p path, s *ScrapeConfig) {
	if len(s.Discover.StaticConfigs)+len(s.Discover.FileSDConfigs) == 0 {
		r.noTargets(p, "no targets: give static_configs or file_sd_configs")
	}
	r.discovery(p, &s.Discover)
	r.timing(p, s.Scrape.ScrapeInterval, s.Scrape.ScrapeTimeout)
	r.protocols(p.at("scrape_protocols"), s.Scrape.ScrapeProtocols)
	if s.Scrape.FallbackScrapeProtocol != "" {
		r.protocol(p.at("fallback_scrape_protocol"), s.Scrape.FallbackScrapeProtocol)
	}
	r.oneOf(p.at("scheme"), s.Scrape.Scheme, "http", "https")
	r.urlPath(p.at("metrics_path"), s.Scrape.MetricsPath)
	r.relabelling(p.at("metric_relabel_configs"), s.Scrape.MetricRelabelConfigs)
	r.httpClient(p, &s.Scrape.HTTPClient)
	if !r.found(at("global")) { // which the job inherits
		r.stage(p, &s.Scrape)
	}
}

func (r *report) profileConfig(p path, c *ProfileConfig, scrapeJobs []string) {
	own := len(c.Discover.StaticConfigs)+len(c.Discover.FileSDConfigs) > 0
	switch {
	case c.ScrapeJob == "" && !own && !r.bad(p.at("scrape_job")):
		r.noTargets(p, "no targets: give scrape_job, static_configs or file_sd_configs")
	case c.ScrapeJob == "":
	case own:
		r.errorf(p.at("scrape_job"), "excludes static_configs and file_sd_configs: the targets are those of the job")
	case !slices.Contains(scrapeJobs, c.ScrapeJob):
		r.errorf(p.at("scrape_job"), "no job of that name in scrape_configs, %s", orElse(c.ScrapeJob, scrapeJobs))
	}
	r.discovery(p, &c.Discover)
	if at := p.at("port"); r.given(at) && !r.bad(at) {
		switch {
		case c.Port < 1 || c.Port > 65535:
			r.errorf(at, "want a port from 1 to 65535, got %d", c.Port)
		case c.ScrapeJob == "" && !r.bad(p.at("scrape_job")):
			r.errorf(at, "only with scrape_job: here the port belongs in targets")
		}
	}
	if c.Profiler.Scheme != "" {
		r.oneOf(p.at("scheme"), c.Profiler.Scheme, "http", "https")
	}
	r.urlPath(p.at("pprof_path"), c.Profiler.PprofPath)
	r.httpClient(p, &c.Profiler.HTTPClient)
	r.profiles(p, c.Profiler)
}

// profiles checks that profile types exist. What they can be set to the stage knows.
func (r *report) profiles(p path, c profiler.Config) {
	var known []string
	for _, info := range profiler.Types() {
		known = append(known, info.Name)
	}
	c.Profiles = maps.Clone(c.Profiles)
	maps.DeleteFunc(c.Profiles, func(name string, _ profiler.TypeConfig) bool {
		unknown := !slices.Contains(known, name)
		if unknown {
			r.errorf(p.at("profiles", name), "unknown profile type, %s", orElse(name, known))
		}
		return unknown
	})
	r.stage(p, &c)
}

// stage adds what a stage has against its own configuration, except where something was
// found already.
func (r *report) stage(p path, c any) {
	v, ok := c.(interface{ Validate() error })
	if !ok {
		return
	}
	err := v.Validate()
	if err == nil {
		return
	}
	for msg := range strings.SplitSeq(err.Error(), "\n") {
		at := p
		for { // "key: key: what is wrong"
			key, rest, ok := strings.Cut(msg, ": ")
			if !ok || !plainKey.MatchString(key) {
				break
			}
			at, msg = at.at(key), rest
		}
		if len(at) == len(p) || !r.found(at) {
			r.errorf(at, "%s", msg)
		}
	}
}

var plainKey = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\[[0-9]+\])?$`)

// given says whether the file holds p.
func (r *report) given(p path) bool {
	_, ok := r.lines[p.String()]
	return ok
}

// jobName wants a name that none of the jobs before has; seen holds where they are.
func (r *report) jobName(p path, name string, seen map[string]int) {
	if name == "" {
		if !r.bad(p) {
			r.errorf(p, "missing: each job needs a name")
		}
		return
	}
	if line, dup := seen[name]; dup {
		r.errorf(p, "%q is the name of another job, on line %d", name, line)
		return
	}
	seen[name] = r.line(p)
}

func (r *report) timing(p path, interval, timeout model.Duration) {
	if at := p.at("scrape_timeout"); timeout > interval && !r.bad(at) && !r.bad(p.at("scrape_interval")) {
		r.errorf(at, "%s is longer than the scrape interval, %s", timeout, interval)
	}
}

func (r *report) protocols(p path, names []string) {
	if !r.given(p) || r.bad(p) {
		return // inherited: the block it comes from is checked
	}
	if len(names) == 0 {
		r.errorf(p, "empty list: leave the key out for the default")
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			r.errorf(p.at(i), "%s is named twice", name)
			continue
		}
		r.protocol(p.at(i), name)
	}
}

// protocol asks the stage, which alone knows the names.
func (r *report) protocol(p path, name string) {
	probe := scrape.Config{
		ScrapeInterval:  defaultScrapeInterval,
		ScrapeTimeout:   defaultScrapeTimeout,
		ScrapeProtocols: []string{name},
	}
	if err := probe.Validate(); err != nil && !r.bad(p) {
		r.errorf(p, "%s", strings.TrimPrefix(err.Error(), "scrape_protocols: "))
	}
}

func (r *report) oneOf(p path, got string, names ...string) {
	if r.bad(p) || slices.Contains(names, got) {
		return
	}
	r.errorf(p, "unknown value %q, %s", short(got), orElse(got, names))
}

func (r *report) urlPath(p path, got string) {
	if msg := checkURLPath(got); msg != "" && !r.bad(p) {
		r.errorf(p, "%s, got %q", msg, short(got))
	}
}

// label checks a label of ours that is added to what leaves the sidecar.
func (r *report) label(p path, name, value string) {
	if msg := checkLabel(name, value); msg != "" && !r.bad(p) {
		r.errorf(p, "%s", msg)
	}
}

func checkLabel(name, value string) string {
	switch {
	case !model.UTF8Validation.IsValidLabelName(name):
		return "not a valid label name"
	case len(name) > 1 && name[:2] == model.ReservedLabelPrefix:
		return "label names that start with two underscores are reserved"
	case !utf8.ValidString(value):
		return "the value is not valid UTF-8"
	}
	return ""
}
