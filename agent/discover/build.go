package discover

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// The kinds of jobs, as metrics name them.
const (
	kindScrape  = "scrape"
	kindProfile = "profile"
)

// jobKey names a job: a scrape job and a profile job may have the same name.
type jobKey struct{ kind, name string }

// jobCount says what became of the targets that were discovered for one job.
type jobCount struct {
	kept, relabelled, invalid, duplicate int
}

// problem is something about one target, or one job, that people should know.
type problem struct {
	job     jobKey
	target  string // its address, or empty
	message string // constant text
	err     string // or empty
}

// result is what build makes of all jobs.
type result struct {
	targets  telemetry.Targets
	counts   map[jobKey]jobCount
	problems []problem
}

// fileGroup is a target group and the file that lists it.
type fileGroup struct {
	path string
	StaticConfig
}

// build makes the targets of all jobs. files returns the groups that the files of a pattern
// hold at present.
func build(jobs []Job, id Identity, files func(pattern string) []fileGroup) *result {
	b := &builder{
		lb:    labels.NewBuilder(labels.EmptyLabels()),
		id:    id,
		files: files,
		result: &result{
			targets: telemetry.Targets{
				Scrape:  map[string][]*telemetry.Target{},
				Profile: map[string][]*telemetry.Target{},
			},
			counts: map[jobKey]jobCount{},
		},
	}
	// Profile jobs may take the targets of scrape jobs, so these come first.
	for _, profile := range []bool{false, true} {
		b.seen, b.seenLabels = map[string]bool{}, map[string]bool{}
		for i := range jobs {
			if jobs[i].Profile == profile {
				b.job(&jobs[i])
			}
		}
	}
	return b.result
}

type builder struct {
	lb    *labels.Builder
	id    Identity
	files func(pattern string) []fileGroup
	*result

	// Of the targets of one kind so far, whatever their job: the series of two scrape jobs
	// whose targets end with the same labels are the same series.
	seen       map[string]bool // labels and URL
	seenLabels map[string]bool
}

func (b *builder) job(job *Job) {
	var (
		key    = job.key()
		count  jobCount
		kept   = []*telemetry.Target{}
		report = func(base labels.Labels, message, err string) {
			b.problems = append(b.problems, problem{key, shownAddress(base), message, err})
		}
	)
	for _, base := range b.discover(job) {
		p, err := populate(b.lb, job, b.id, base)
		switch {
		case err != nil:
			count.invalid++
			report(base, "target is invalid and was dropped", err.Error())
			continue
		case p.target == nil:
			count.relabelled++
			continue
		}
		lset := string(p.target.Labels.Bytes(nil))
		lsetURL := lset + "\xff" + p.target.URL.String()
		if b.seen[lsetURL] {
			count.duplicate++
			report(base, "target has the URL and labels of another and was dropped", "")
			continue
		}
		if b.seenLabels[lset] {
			report(base, "target has the labels of another: their series mix", "")
		}
		b.seen[lsetURL], b.seenLabels[lset] = true, true
		if p.localInstance != "" {
			report(base, "instance label named a loopback address and was replaced", "")
		}
		kept = append(kept, p.target)
	}
	count.kept = len(kept)
	telemetry.SortTargets(kept)
	b.counts[key] = count
	if job.Profile {
		b.targets.Profile[job.Name] = kept
	} else {
		b.targets.Scrape[job.Name] = kept
	}
}

// discover returns the labels before relabelling of each target of a job.
func (b *builder) discover(job *Job) []labels.Labels {
	var all []labels.Labels
	if job.ScrapeJob != "" {
		targets, ok := b.targets.Scrape[job.ScrapeJob]
		if !ok {
			b.problems = append(b.problems, problem{
				job:     job.key(),
				message: "profile job names a scrape job that does not exist",
				err:     "no scrape job " + job.ScrapeJob,
			})
		}
		for _, t := range targets {
			all = append(all, derived(b.lb, job, t))
		}
		return all
	}
	add := func(g StaticConfig, path string) {
		for _, addr := range g.Targets {
			all = append(all, discovered(b.lb, job, addr, g.Labels, path))
		}
	}
	for _, g := range job.Config.StaticConfigs {
		add(g, "")
	}
	for _, fc := range job.Config.FileSDConfigs {
		for _, pattern := range fc.Files {
			for _, g := range b.files(pattern) {
				add(g.StaticConfig, g.path)
			}
		}
	}
	return all
}

// shownAddress is the address of discovered labels as it may stand in a log: without what
// could be a password.
func shownAddress(base labels.Labels) string {
	addr := base.Get(model.AddressLabel)
	return addr[strings.LastIndexByte(addr, '@')+1:]
}

// keepPointers puts the targets of last in the place of equal ones, so that a target is the
// same value for as long as it lives, and says whether anything differs.
func keepPointers(last, now map[string][]*telemetry.Target) (changed bool) {
	changed = len(last) != len(now)
	for job, targets := range now {
		known := make(map[string]*telemetry.Target, len(last[job]))
		for _, t := range last[job] {
			known[t.Key()] = t
		}
		for i, t := range targets {
			if old := known[t.Key()]; old != nil && labels.Equal(old.Discovered, t.Discovered) {
				targets[i] = old
			}
		}
		if old, ok := last[job]; !ok || !slices.Equal(old, targets) {
			changed = true
		}
	}
	return changed
}
