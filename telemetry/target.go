package telemetry

import (
	"net/url"
	"slices"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
)

// Target is one endpoint of the service beside us. It is immutable and shared: stages
// compare targets by Key and never write to one.
type Target struct {
	// Job is the job_name of the configuration block the target came from. Relabelling
	// may give the series another job label; Job still names the block.
	Job string
	// URL is what is requested. For metrics it is the whole URL with its parameters, for
	// profiles the base under which the pprof handlers live (".../debug/pprof").
	URL *url.URL
	// Labels are final: relabelled, with job and instance set, without any name that
	// starts with two underscores.
	Labels labels.Labels
	// Discovered are the labels before relabelling, kept for people who ask why.
	Discovered labels.Labels

	key atomic.Pointer[string] // made when it is first asked for
}

// Key identifies the target for as long as neither its address nor its labels change. It
// is unique among the targets of one process.
func (t *Target) Key() string {
	if k := t.key.Load(); k != nil {
		return *k
	}
	k := t.Job + "\xff" + t.URL.String() + "\xff" + t.Labels.String()
	t.key.Store(&k)
	return k
}

// Instance returns the instance label, which tells two copies of a service apart.
func (t *Target) Instance() string { return t.Labels.Get("instance") }

// Service returns the name of the service: service_name where it is set, else job.
func (t *Target) Service() string {
	if s := t.Labels.Get("service_name"); s != "" {
		return s
	}
	return t.Labels.Get("job")
}

// Name is how people call the target: "service/instance".
func (t *Target) Name() string { return t.Service() + "/" + t.Instance() }

// LabelMap returns the final labels as a new map, for JSON.
func (t *Target) LabelMap() map[string]string { return t.Labels.Map() }

// SortTargets orders targets by job, name and URL, so that listings do not jump.
func SortTargets(ts []*Target) {
	slices.SortFunc(ts, func(a, b *Target) int {
		switch ka, kb := a.Key(), b.Key(); {
		case ka < kb:
			return -1
		case ka > kb:
			return 1
		}
		return 0
	})
}

// Targets is the whole set that discovery knows, by the kind of stage that wants it. An
// update always carries everything: what is missing from it is gone.
type Targets struct {
	Scrape  map[string][]*Target // by job_name of scrape_configs
	Profile map[string][]*Target // by job_name of profile_configs
}
