package config

import (
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/agent/discover"
)

// discovery checks where the targets of a job come from.
func (r *report) discovery(p path, c *discover.Config) {
	for i, group := range c.StaticConfigs {
		at := p.at("static_configs", i, "targets")
		if len(group.Targets) == 0 && !r.bad(at) {
			r.errorf(at, "no targets: give host:port")
		}
		for j, target := range group.Targets {
			r.target(at.at(j), target, len(c.RelabelConfigs) > 0)
		}
	}
	for i, sd := range c.FileSDConfigs {
		at := p.at("file_sd_configs", i, "files")
		if len(sd.Files) == 0 && !r.bad(at) {
			r.errorf(at, "no files: give at least one path")
		}
		for j, file := range sd.Files {
			if r.bad(at.at(j)) {
				continue
			}
			if err := discover.CheckFilePattern(file); err != nil {
				r.errorf(at.at(j), "%v", err)
			}
		}
	}
	r.relabelling(p.at("relabel_configs"), c.RelabelConfigs)
}

// target checks an address. Where rules follow it may be anything: they can move a URL to
// where it belongs.
func (r *report) target(p path, addr string, relabelled bool) {
	if r.bad(p) || relabelled && addr != "" {
		return
	}
	if err := discover.CheckAddress(addr); err != nil {
		hint := ""
		if strings.Contains(addr, "/") {
			hint = "; the path belongs in metrics_path, the scheme in scheme"
			if p[0] == "profile_configs" {
				hint = strings.Replace(hint, "metrics_path", "pprof_path", 1)
			}
		}
		r.errorf(p, "%v%s", err, hint)
	}
}

// noTargets reports a job without targets, unless what should give them is broken.
func (r *report) noTargets(p path, msg string) {
	if !r.bad(p.at("static_configs")) && !r.bad(p.at("file_sd_configs")) && !r.rejectedDiscovery(p) {
		r.errorf(p, "%s", msg)
	}
}

// rejectedDiscovery says whether the job has a discovery that was refused.
func (r *report) rejectedDiscovery(p path) bool {
	for key := range discoveries() {
		if r.bad(p.at(key)) {
			return true
		}
	}
	return false
}

// relabelling checks rules and tells each how label names are validated, which it needs to
// run at all.
func (r *report) relabelling(p path, rules []*relabel.Config) {
	for i, rule := range rules {
		if r.bad(p.at(i)) {
			continue
		}
		if err := rule.Validate(model.UTF8Validation); err != nil {
			r.errorf(p.at(i), "%v", err)
		}
	}
}
