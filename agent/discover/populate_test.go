package discover

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"

	"outrider/telemetry"
)

// rules parses relabel_configs as a configuration file holds them.
func rules(t testing.TB, text string) []*relabel.Config {
	t.Helper()
	var rs []*relabel.Config
	if err := yaml.Unmarshal([]byte(text), &rs); err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		if err := r.Validate(model.UTF8Validation); err != nil {
			t.Fatal(err)
		}
	}
	return rs
}

func populateOne(job *Job, id Identity, addr string, group model.LabelSet) (populated, error) {
	lb := labels.NewBuilder(labels.EmptyLabels())
	return populate(lb, job, id, discovered(lb, job, addr, group, ""))
}

func TestPopulate(t *testing.T) {
	id := Identity{Instance: "pod-1"}
	tests := map[string]struct {
		job     Job
		rules   string
		addr    string
		group   model.LabelSet
		id      *Identity
		url     string // empty: dropped by relabelling
		labels  map[string]string
		wantErr string
	}{
		"defaults": {
			addr:   "10.0.0.1:8080",
			url:    "http://10.0.0.1:8080/metrics",
			labels: map[string]string{"job": "web", "instance": "10.0.0.1:8080"},
		},
		"settings of the job": {
			job:    Job{Scheme: "https", Path: "/m", Params: url.Values{"b": {"1", "2"}, "a": {"x y"}, "none": {}}},
			addr:   "example.org",
			group:  model.LabelSet{"team": "shop"},
			url:    "https://example.org/m?a=x+y&b=1&b=2",
			labels: map[string]string{"job": "web", "instance": "example.org", "team": "shop"},
		},
		"labels of the group win over settings of the job": {
			job: Job{Scheme: "https", Path: "/m", Params: url.Values{"a": {"1", "2"}}},
			group: model.LabelSet{
				"__scheme__": "http", "__metrics_path__": "/other", "__param_a": "9", "__param_b": "8",
				"job": "other", "instance": "i", "__address__": "not-this:1",
			},
			addr:   "10.0.0.1:80",
			url:    "http://10.0.0.1:80/other?a=9&a=2&b=8",
			labels: map[string]string{"job": "other", "instance": "i"},
		},
		"empty labels count as not set": {
			group:  model.LabelSet{"__scheme__": "", "job": "", "instance": "", "x": ""},
			addr:   "10.0.0.1:80",
			url:    "http://10.0.0.1:80/metrics",
			labels: map[string]string{"job": "web", "instance": "10.0.0.1:80"},
		},
		"path without a slash": {
			job:    Job{Path: "metrics"},
			addr:   "10.0.0.1:80",
			url:    "http://10.0.0.1:80/metrics",
			labels: map[string]string{"job": "web", "instance": "10.0.0.1:80"},
		},
		"identity": {
			addr:   "localhost:8080",
			id:     &Identity{Instance: "pod-1", Namespace: "shop", Pod: "checkout-1", Node: "n7"},
			url:    "http://localhost:8080/metrics",
			labels: map[string]string{"job": "web", "instance": "pod-1:8080", "namespace": "shop", "pod": "checkout-1", "node": "n7"},
		},
		"identity that is set": {
			addr:   "localhost:8080",
			group:  model.LabelSet{"namespace": "mine"},
			rules:  `[{target_label: pod, replacement: mine too}]`,
			id:     &Identity{Instance: "pod-1", Namespace: "shop", Pod: "checkout-1"},
			url:    "http://localhost:8080/metrics",
			labels: map[string]string{"job": "web", "instance": "pod-1:8080", "namespace": "mine", "pod": "mine too"},
		},

		"relabelled away": {rules: `[{action: drop, source_labels: [job], regex: web}]`, addr: "10.0.0.1:80"},
		"not kept":        {rules: `[{action: keep, source_labels: [job], regex: db}]`, addr: "10.0.0.1:80"},
		"relabelled address": {
			rules: `
- {source_labels: [__address__], regex: '([^:]+)(:\d+)?', replacement: '$1:9100', target_label: __address__}
- {target_label: __scheme__, replacement: https}
- {target_label: __metrics_path__, replacement: /node}
- {target_label: __param_x, replacement: y}
- {source_labels: [host], target_label: instance}
- {regex: host, action: labeldrop}`,
			addr:   "10.0.0.1:80",
			group:  model.LabelSet{"host": "h1"},
			url:    "https://10.0.0.1:9100/node?x=y",
			labels: map[string]string{"job": "web", "instance": "h1"},
		},
		"address that only relabelling makes": {
			rules:  `[{source_labels: [custom], target_label: __address__}]`,
			group:  model.LabelSet{"custom": "host:1234"},
			url:    "http://host:1234/metrics",
			labels: map[string]string{"job": "web", "instance": "host:1234", "custom": "host:1234"},
		},
		"meta labels serve relabelling only": {
			rules:  `[{regex: __meta_(.+), action: labelmap}]`,
			group:  model.LabelSet{"__meta_zone": "b", "__tmp": "x", "__scrape_interval__": "1s"},
			addr:   "10.0.0.1:80",
			url:    "http://10.0.0.1:80/metrics",
			labels: map[string]string{"job": "web", "instance": "10.0.0.1:80", "zone": "b"},
		},
		"job relabelled": {
			rules:  `[{target_label: job, replacement: other}]`,
			addr:   "10.0.0.1:80",
			url:    "http://10.0.0.1:80/metrics",
			labels: map[string]string{"job": "other", "instance": "10.0.0.1:80"},
		},

		"profiles": {
			job:    Job{Profile: true, Scheme: "https", Params: url.Values{"a": {"1"}}},
			addr:   "localhost:6060",
			url:    "https://localhost:6060/debug/pprof",
			labels: map[string]string{"job": "web", "service_name": "web", "instance": "pod-1:6060"},
		},
		"profiles with a slash at the end": {
			job:    Job{Profile: true, Path: "/pprof//"},
			addr:   "10.0.0.1:6060",
			group:  model.LabelSet{"service_name": "mine"},
			url:    "http://10.0.0.1:6060/pprof",
			labels: map[string]string{"job": "web", "service_name": "mine", "instance": "10.0.0.1:6060"},
		},
		"profiles at the root": {
			job:    Job{Profile: true, Path: "/"},
			rules:  `[{target_label: job, replacement: other}]`,
			addr:   "10.0.0.1:6060",
			url:    "http://10.0.0.1:6060",
			labels: map[string]string{"job": "other", "service_name": "other", "instance": "10.0.0.1:6060"},
		},
		"profiles without a job label": {
			job:    Job{Profile: true},
			rules:  `[{regex: job, action: labeldrop}]`,
			addr:   "10.0.0.1:6060",
			url:    "http://10.0.0.1:6060/debug/pprof",
			labels: map[string]string{"service_name": "web", "instance": "10.0.0.1:6060"},
		},

		"no address":          {wantErr: "no address"},
		"address gone":        {rules: `[{target_label: __address__, replacement: ""}]`, addr: "a:1", wantErr: "no address"},
		"address is a URL":    {addr: "http://a:1/m", wantErr: `address "http://a:1/m" must be host:port, not a URL`},
		"scheme":              {group: model.LabelSet{"__scheme__": "ftp"}, addr: "a:1", wantErr: `scheme must be http or https, not "ftp"`},
		"scheme in capitals":  {group: model.LabelSet{"__scheme__": "HTTP"}, addr: "a:1", wantErr: `scheme must be http or https, not "HTTP"`},
		"scheme gone":         {rules: `[{regex: __scheme__, action: labeldrop}]`, addr: "a:1", wantErr: `scheme must be http or https, not ""`},
		"invalid label value": {group: model.LabelSet{"custom": "\xbd"}, addr: "a:1", wantErr: `invalid label value for "custom": "\xbd"`},
		"label without a name": {
			rules:   `[{regex: custom, action: labelmap, replacement: "$1"}]`,
			group:   model.LabelSet{"custom": "x"},
			addr:    "a:1",
			wantErr: `invalid label name ""`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			job := tt.job
			job.Name = "web"
			job.Config.RelabelConfigs = rules(t, tt.rules)
			if tt.id == nil {
				tt.id = &id
			}
			got, err := populateOne(&job, *tt.id, tt.addr, tt.group)
			if errString(err) != tt.wantErr {
				t.Fatalf("error\n got %q\nwant %q", errString(err), tt.wantErr)
			}
			if got.target == nil {
				if tt.url != "" {
					t.Fatalf("dropped, want %s", tt.url)
				}
				return
			}
			if got.target.URL.String() != tt.url {
				t.Errorf("URL\n got %q\nwant %q", got.target.URL, tt.url)
			}
			if diff := cmp.Diff(tt.labels, got.target.LabelMap()); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiscoveredLabels(t *testing.T) {
	lb := labels.NewBuilder(labels.EmptyLabels())
	job := &Job{Name: "web", Params: url.Values{"a": {"1", "2"}}}
	got := discovered(lb, job, "localhost:80", model.LabelSet{"team": "shop"}, "/etc/t.yml")
	want := map[string]string{
		"__address__": "localhost:80", "__scheme__": "http", "__metrics_path__": "/metrics", "__param_a": "1",
		"__meta_filepath": "/etc/t.yml", "job": "web", "team": "shop",
	}
	if diff := cmp.Diff(want, got.Map()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	p, err := populate(lb, job, Identity{Instance: "pod-1"}, got)
	if err != nil {
		t.Fatal(err)
	}
	if !labels.Equal(p.target.Discovered, got) {
		t.Errorf("the target keeps %s, want %s", p.target.Discovered, got)
	}
	// A parameter of one target must not become one of the job.
	if _, err := populateOne(job, Identity{Instance: "pod-1"}, "a:1", model.LabelSet{"__param_a": "9"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(url.Values{"a": {"1", "2"}}, job.Params); diff != "" {
		t.Errorf("parameters of the job (-want +got):\n%s", diff)
	}
}

func TestDerived(t *testing.T) {
	id := Identity{Instance: "pod-1", Pod: "p"}
	tests := map[string]struct {
		job    Job
		rules  string
		addr   string
		group  model.LabelSet
		url    string
		labels map[string]string
	}{
		"same port": {
			addr:   "localhost:8443",
			group:  model.LabelSet{"__scheme__": "https", "__param_x": "y", "team": "shop"},
			job:    Job{Scheme: "http"},
			url:    "https://localhost:8443/debug/pprof",
			labels: map[string]string{"job": "web", "service_name": "web", "instance": "pod-1:8443", "pod": "p", "team": "shop"},
		},
		"other port": {
			addr:   "localhost:8443",
			group:  model.LabelSet{"__scheme__": "https"},
			job:    Job{Scheme: "http", Port: 6060, Path: "/prof"},
			url:    "http://localhost:6060/prof",
			labels: map[string]string{"job": "web", "service_name": "web", "instance": "pod-1:8443", "pod": "p"},
		},
		"other port, scheme not said": {
			addr:   "10.0.0.1",
			group:  model.LabelSet{"__scheme__": "https"},
			job:    Job{Port: 6060},
			url:    "https://10.0.0.1:6060/debug/pprof",
			labels: map[string]string{"job": "web", "service_name": "web", "instance": "10.0.0.1", "pod": "p"},
		},
		"IPv6": {
			addr:   "[fe80::1%eth0]:80",
			job:    Job{Port: 6060},
			url:    "http://[fe80::1%25eth0]:6060/debug/pprof",
			labels: map[string]string{"job": "web", "service_name": "web", "instance": "[fe80::1%eth0]:80", "pod": "p"},
		},
		"own rules on top": {
			addr:  "localhost:80",
			group: model.LabelSet{"__meta_zone": "b"},
			rules: `
- {source_labels: [__address__], regex: '(.+):80', replacement: '$1:81', target_label: __address__}
- {source_labels: [__meta_zone], target_label: zone}
- {target_label: __metrics_path__, replacement: /p}
- {target_label: service_name, replacement: mine}`,
			url:    "http://localhost:81/p",
			labels: map[string]string{"job": "web", "service_name": "mine", "instance": "pod-1:80", "pod": "p", "zone": "b"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			metrics, err := populateOne(&Job{Name: "web"}, id, tt.addr, tt.group)
			if err != nil {
				t.Fatal(err)
			}
			job := tt.job
			job.Name, job.Profile, job.ScrapeJob = "profiles", true, "web"
			job.Config.RelabelConfigs = rules(t, tt.rules)
			lb := labels.NewBuilder(labels.EmptyLabels())
			got, err := populate(lb, &job, id, derived(lb, &job, metrics.target))
			if err != nil {
				t.Fatal(err)
			}
			if got.target.Job != "profiles" {
				t.Errorf("the target says it is of job %q", got.target.Job)
			}
			if got.target.URL.String() != tt.url {
				t.Errorf("URL\n got %q\nwant %q", got.target.URL, tt.url)
			}
			if diff := cmp.Diff(tt.labels, got.target.LabelMap()); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzPopulate(f *testing.F) {
	f.Add("localhost:8080", "", "", "team", "shop", "", false)
	f.Add("[::1%lo]:80", "https", "m?a=b", "__param_x", "y z", "127.0.0.1:1", true)
	f.Add(":0", "HTTP", "//x/", "instance", "localhost.", "[::1", false)
	f.Add("u:p@h", "http", "\xff", "", "\xff", "::", true)
	f.Add("h%41:1", "http", "%2f", "__meta_a", "__b", "LOCALHOST:x", false)
	rs := rules(f, `
- {regex: '__meta_(.*)', action: labelmap}
- {source_labels: [__param_x], regex: '(.+)', target_label: __metrics_path__}`)
	f.Fuzz(func(t *testing.T, addr, scheme, path, name, value, instance string, profile bool) {
		job := &Job{Name: "web", Scheme: scheme, Path: path, Params: url.Values{"a": {value}}, Profile: profile}
		job.Config.RelabelConfigs = rs
		p, err := populateOne(job, Identity{Instance: "pod-1", Node: "n"}, addr, model.LabelSet{
			model.LabelName(name): model.LabelValue(value), "instance": model.LabelValue(instance),
		})
		if err != nil {
			if p.target != nil {
				t.Errorf("a target beside the error %v", err)
			}
			if strings.Contains(addr, "@") && strings.Contains(err.Error(), "@") {
				t.Errorf("error repeats an address that may hold a password: %v", err)
			}
			return
		}
		checkTarget(t, p.target)
	})
}

// checkTarget fails if a target is not what every stage relies on.
func checkTarget(t *testing.T, target *telemetry.Target) {
	t.Helper()
	u, err := url.Parse(target.URL.String())
	if err != nil || u.Host != target.URL.Host || u.Path != target.URL.Path || u.RawQuery != target.URL.RawQuery || u.User != nil {
		t.Errorf("URL %q reads as %q (%v)", target.URL, u, err)
	}
	target.Labels.Range(func(l labels.Label) {
		if err := checkLabel(l); err != nil || l.Value == "" || strings.HasPrefix(l.Name, "__") {
			t.Errorf("label %q: %v", l, err)
		}
	})
	host, _, _ := cutPort(target.Instance())
	if host, _ = unbracket(host); isLocal(host) {
		t.Errorf("instance %q is a loopback address", target.Instance())
	}
	if target.Labels.Get("node") == "" {
		t.Error("node is missing")
	}
}
