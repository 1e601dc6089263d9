package discover

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"

	"outrider/telemetry"
)

func static(addrs ...string) Config {
	return Config{StaticConfigs: []StaticConfig{{Targets: addrs}}}
}

// shown writes targets as "URL {labels}".
func shown(byJob map[string][]*telemetry.Target) map[string][]string {
	m := map[string][]string{}
	for job, targets := range byJob {
		m[job] = []string{}
		for _, t := range targets {
			m[job] = append(m[job], fmt.Sprint(t.URL, " ", t.Labels))
		}
	}
	return m
}

func noFiles(string) []fileGroup { panic("no job names a file") }

func TestBuild(t *testing.T) {
	scrape := func(name string) jobKey { return jobKey{kindScrape, name} }
	profile := func(name string) jobKey { return jobKey{kindProfile, name} }
	const duplicate = "target has the URL and labels of another and was dropped"
	const mixed = "target has the labels of another: their series mix"

	tests := map[string]struct {
		jobs     []Job
		scrape   map[string][]string
		profile  map[string][]string
		counts   map[jobKey]jobCount
		problems []problem
	}{
		"nothing": {
			scrape: map[string][]string{}, profile: map[string][]string{}, counts: map[jobKey]jobCount{},
		},
		"two jobs on one address, and profiles of it": {
			jobs: []Job{
				{Name: "profiles", Profile: true, ScrapeJob: "a", Port: 6060},
				{Name: "a", Config: static("localhost:80")},
				{Name: "b", Config: static("localhost:80")},
				{Name: "a", Profile: true, Config: static("localhost:7070")},
				{Name: "empty"},
			},
			scrape: map[string][]string{
				"a":     {`http://localhost:80/metrics {instance="pod-1:80", job="a"}`},
				"b":     {`http://localhost:80/metrics {instance="pod-1:80", job="b"}`},
				"empty": {},
			},
			profile: map[string][]string{
				"profiles": {`http://localhost:6060/debug/pprof {instance="pod-1:80", job="a", service_name="a"}`},
				"a":        {`http://localhost:7070/debug/pprof {instance="pod-1:7070", job="a", service_name="a"}`},
			},
			counts: map[jobKey]jobCount{
				scrape("a"): {kept: 1}, scrape("b"): {kept: 1}, scrape("empty"): {},
				profile("a"): {kept: 1}, profile("profiles"): {kept: 1},
			},
		},
		"bad targets harm nobody": {
			jobs: []Job{{Name: "a", Config: Config{
				StaticConfigs: []StaticConfig{
					{Targets: []string{"http://x:1/", "u:p@x:1", "b:1", "", "a:1"}},
					{Targets: []string{"c:1"}, Labels: model.LabelSet{"x": "\xff"}},
					{Targets: []string{"d:1"}, Labels: model.LabelSet{"skip": "yes"}},
				},
				RelabelConfigs: rules(t, `[{action: drop, source_labels: [skip], regex: "yes"}]`),
			}}},
			scrape: map[string][]string{"a": {
				`http://a:1/metrics {instance="a:1", job="a"}`,
				`http://b:1/metrics {instance="b:1", job="a"}`,
			}},
			profile: map[string][]string{},
			counts:  map[jobKey]jobCount{scrape("a"): {kept: 2, relabelled: 1, invalid: 4}},
			problems: []problem{
				{scrape("a"), "http://x:1/", "target is invalid and was dropped", `address "http://x:1/" must be host:port, not a URL`},
				{scrape("a"), "x:1", "target is invalid and was dropped", "address must not hold a user name or password: use basic_auth"},
				{scrape("a"), "", "target is invalid and was dropped", "no address"},
				{scrape("a"), "c:1", "target is invalid and was dropped", `invalid label value for "x": "\xff"`},
			},
		},
		"the same target twice": {
			jobs: []Job{
				{Name: "a", Config: static("a:1", "a:1", "localhost:1", "127.0.0.1:1", "127.0.0.1:1")},
				{Name: "b", Config: Config{StaticConfigs: []StaticConfig{{Targets: []string{"a:1"}, Labels: model.LabelSet{"job": "a"}}}}},
			},
			scrape: map[string][]string{
				"a": {
					`http://127.0.0.1:1/metrics {instance="pod-1:1", job="a"}`,
					`http://a:1/metrics {instance="a:1", job="a"}`,
					`http://localhost:1/metrics {instance="pod-1:1", job="a"}`,
				},
				"b": {},
			},
			profile: map[string][]string{},
			counts:  map[jobKey]jobCount{scrape("a"): {kept: 3, duplicate: 2}, scrape("b"): {duplicate: 1}},
			problems: []problem{
				{scrape("a"), "a:1", duplicate, ""},
				{scrape("a"), "127.0.0.1:1", mixed, ""},
				{scrape("a"), "127.0.0.1:1", duplicate, ""},
				{scrape("b"), "a:1", duplicate, ""},
			},
		},
		"an instance on loopback": {
			jobs: []Job{{Name: "a", Config: Config{StaticConfigs: []StaticConfig{
				{Targets: []string{"localhost:1"}, Labels: model.LabelSet{"instance": "localhost:2"}},
				{Targets: []string{"localhost:3"}, Labels: model.LabelSet{"instance": "mine"}},
			}}}},
			scrape: map[string][]string{"a": {
				`http://localhost:1/metrics {instance="pod-1:2", job="a"}`,
				`http://localhost:3/metrics {instance="mine", job="a"}`,
			}},
			profile: map[string][]string{},
			counts:  map[jobKey]jobCount{scrape("a"): {kept: 2}},
			problems: []problem{
				{scrape("a"), "localhost:1", "instance label named a loopback address and was replaced", ""},
			},
		},
		"profiles of a job that is not there": {
			jobs:    []Job{{Name: "p", Profile: true, ScrapeJob: "gone", Config: static("a:1")}},
			scrape:  map[string][]string{},
			profile: map[string][]string{"p": {}},
			counts:  map[jobKey]jobCount{profile("p"): {}},
			problems: []problem{
				{profile("p"), "", "profile job names a scrape job that does not exist", "no scrape job gone"},
			},
		},
		"two metrics targets of one process": {
			jobs: []Job{
				{Name: "a", Config: Config{StaticConfigs: []StaticConfig{
					{Targets: []string{"localhost:1"}},
					{Targets: []string{"localhost:1"}, Labels: model.LabelSet{"__metrics_path__": "/more"}},
				}}},
				{Name: "p", Profile: true, ScrapeJob: "a"},
			},
			scrape: map[string][]string{"a": {
				`http://localhost:1/metrics {instance="pod-1:1", job="a"}`,
				`http://localhost:1/more {instance="pod-1:1", job="a"}`,
			}},
			profile: map[string][]string{"p": {
				`http://localhost:1/debug/pprof {instance="pod-1:1", job="a", service_name="a"}`,
			}},
			counts: map[jobKey]jobCount{scrape("a"): {kept: 2}, profile("p"): {kept: 1, duplicate: 1}},
			problems: []problem{
				{scrape("a"), "localhost:1", mixed, ""},
				{profile("p"), "localhost:1", duplicate, ""},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := build(tt.jobs, Identity{Instance: "pod-1"}, noFiles)
			if diff := cmp.Diff(tt.scrape, shown(got.targets.Scrape)); diff != "" {
				t.Errorf("scrape targets (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.profile, shown(got.targets.Profile)); diff != "" {
				t.Errorf("profile targets (-want +got):\n%s", diff)
			}
			unexported := cmp.AllowUnexported(jobKey{}, jobCount{}, problem{})
			if diff := cmp.Diff(tt.counts, got.counts, unexported); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.problems, got.problems, unexported); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildTakesGroupsOfFiles(t *testing.T) {
	job := Job{Name: "a", Config: Config{
		FileSDConfigs:  []FileSDConfig{{Files: []string{"p1", "p2"}}},
		RelabelConfigs: rules(t, `[{source_labels: [__meta_filepath], target_label: file}]`),
	}}
	got := build([]Job{job}, Identity{Instance: "pod-1"}, func(pattern string) []fileGroup {
		return []fileGroup{{path: pattern + "/f", StaticConfig: StaticConfig{Targets: []string{"x:1"}, Labels: model.LabelSet{"by": "group"}}}}
	})
	want := map[string][]string{"a": {
		`http://x:1/metrics {by="group", file="p1/f", instance="x:1", job="a"}`,
		`http://x:1/metrics {by="group", file="p2/f", instance="x:1", job="a"}`,
	}}
	if diff := cmp.Diff(want, shown(got.targets.Scrape)); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func TestKeepPointers(t *testing.T) {
	id := Identity{Instance: "pod-1"}
	targets := func(jobs ...Job) map[string][]*telemetry.Target {
		return build(jobs, id, noFiles).targets.Scrape
	}
	meta := func(v model.LabelValue) Job {
		return Job{Name: "a", Config: Config{StaticConfigs: []StaticConfig{
			{Targets: []string{"x:1"}, Labels: model.LabelSet{"__meta_v": v}},
		}}}
	}
	a := Job{Name: "a", Config: static("x:1", "y:1")}
	tests := map[string]struct {
		last, now map[string][]*telemetry.Target
		changed   bool
		kept      int // targets of job a that are the same pointer
	}{
		"first, empty":    {nil, targets(), false, 0},
		"equal":           {targets(a), targets(a), false, 2},
		"other order":     {targets(a), targets(Job{Name: "a", Config: static("y:1", "x:1")}), false, 2},
		"one more":        {targets(a), targets(Job{Name: "a", Config: static("x:1", "y:1", "z:1")}), true, 2},
		"one fewer":       {targets(a), targets(Job{Name: "a", Config: static("x:1")}), true, 1},
		"other path":      {targets(a), targets(Job{Name: "a", Path: "/m", Config: a.Config}), true, 0},
		"other parameter": {targets(a), targets(Job{Name: "a", Params: url.Values{"a": {"b"}}, Config: a.Config}), true, 0},
		"job renamed":     {targets(a), targets(Job{Name: "b", Config: a.Config}), true, 0},
		"empty job added": {targets(a), targets(a, Job{Name: "b"}), true, 2},
		"empty job gone":  {targets(a, Job{Name: "b"}), targets(a), true, 2},
		"empty renamed":   {targets(a, Job{Name: "b"}), targets(a, Job{Name: "c"}), true, 2},
		"only meta label": {targets(meta("1")), targets(meta("2")), true, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := keepPointers(tt.last, tt.now); got != tt.changed {
				t.Errorf("changed: %v, want %v", got, tt.changed)
			}
			old := map[*telemetry.Target]bool{}
			for _, target := range tt.last["a"] {
				old[target] = true
			}
			kept := 0
			for _, target := range tt.now["a"] {
				if old[target] {
					kept++
				}
			}
			if kept != tt.kept {
				t.Errorf("%d targets are the same pointer, want %d", kept, tt.kept)
			}
		})
	}
}
