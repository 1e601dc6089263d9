package config

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"

	"outrider/agent/discover"
)

func parse(t *testing.T, file string) *Config {
	t.Helper()
	c, _, err := Parse("f.yml", []byte(file), env(), "/")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const staged = `
global: {external_labels: {env: prod}, scrape_timeout: 3s, sample_limit: 7}
scrape_configs:
  - job_name: api
    metrics_path: /m
    scheme: https
    params: {a: [b]}
    scrape_interval: 2s
    static_configs: [{targets: [localhost:8080], labels: {x: y}}]
profile_configs:
  - job_name: beside
    scrape_job: api
    port: 6060
    profiles: {mutex: {enabled: false}}
  - job_name: own
    static_configs: [{targets: [localhost:8081]}]
`

func TestDiscoverJobs(t *testing.T) {
	want := []discover.Job{
		{
			Name: "api", Scheme: "https", Path: "/m", Params: url.Values{"a": {"b"}},
			Config: discover.Config{StaticConfigs: []discover.StaticConfig{{
				Targets: []string{"localhost:8080"}, Labels: model.LabelSet{"x": "y"},
			}}},
		},
		// The scheme of a scrape job's targets is that of the scrape job.
		{Name: "beside", Path: "/debug/pprof", Profile: true, ScrapeJob: "api", Port: 6060},
		{
			Name: "own", Scheme: "http", Path: "/debug/pprof", Profile: true,
			Config: discover.Config{StaticConfigs: []discover.StaticConfig{{Targets: []string{"localhost:8081"}}}},
		},
	}
	if diff := cmp.Diff(want, parse(t, staged).DiscoverJobs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestScrapeJobs(t *testing.T) {
	jobs := parse(t, staged).ScrapeJobs()
	if len(jobs) != 1 || jobs[0].Name != "api" {
		t.Fatalf("got %+v", jobs)
	}
	c := jobs[0].Config
	if got, want := c.ScrapeInterval.String()+" "+c.ScrapeTimeout.String(), "2s 2s"; got != want {
		t.Errorf("timing: got %s, want %s: an inherited timeout is cut to the interval", got, want)
	}
	if c.SampleLimit != 7 || c.BodySizeLimit != defaultBodySizeLimit {
		t.Errorf("limits are not inherited: %d, %s", c.SampleLimit, c.BodySizeLimit)
	}
	if c.ScrapeNativeHistograms == nil || *c.ScrapeNativeHistograms {
		t.Error("scrape_native_histograms is not resolved to false")
	}
	if err := c.Validate(); err != nil {
		t.Errorf("the stage refuses what was checked: %v", err)
	}
}

// TestProfileJobs holds that nothing is captured that cannot be pushed anywhere.
func TestProfileJobs(t *testing.T) {
	enabled := func(c *Config) string {
		var names []string
		for name, t := range c.ProfileJobs()[0].Config.Profiles {
			if *t.Enabled {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	c := parse(t, staged)
	if got := enabled(c); got != "" {
		t.Errorf("without pyroscope_write: got %q", got)
	}
	if !*c.ProfileConfigs[0].Profiler.Profiles["cpu"].Enabled {
		t.Error("the configuration itself was changed")
	}
	c = parse(t, staged+"pyroscope_write: [{url: http://localhost:4040}]")
	if got, want := enabled(c), "block cpu goroutine memory"; got != want {
		t.Errorf("with pyroscope_write: got %q, want %q", got, want)
	}
}

func TestExternalLabels(t *testing.T) {
	if got, want := parse(t, staged).ExternalLabels().String(), `{env="prod"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestLoad reads from a folder, where relative paths start.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "outrider.yml")
	if err := os.WriteFile(file, []byte(minimal+"    bearer_token_file: token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, path := range []string{file, "outrider.yml", "./outrider.yml"} {
		c, _, err := Load(path, env())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := c.ScrapeConfigs[0].Scrape.HTTPClient.Authorization.CredentialsFile, filepath.Join(dir, "token"); got != want {
			t.Errorf("Load(%q): got %s, want %s", path, got, want)
		}
	}
	if err := os.WriteFile(file, []byte("global: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(file, env()); err == nil || err.Error() != file+":1: global: want a mapping, got a number" {
		t.Errorf("got %v", err)
	}
	if err := os.Truncate(file, maxFileSize+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"missing.yml": "read configuration: open missing.yml: no such file or directory",
		file:          "read configuration: " + file + ": larger than 4 MiB",
	} {
		if _, _, err := Load(path, env()); err == nil || err.Error() != want {
			t.Errorf("Load(%q): got %v, want %s", path, err, want)
		}
	}
}

// TestStageRefusals turns what a stage says into the place it is about.
func TestStageRefusals(t *testing.T) {
	r := newReport("f.yml")
	r.lines["a[0]"] = 3
	r.lines["a[0].profiles"] = 5
	r.stage(at("a", 0), refusing("profiles: cpu: period: 1s: too short\nUnkeyed: text"))
	_, err := r.result()
	want := "f.yml:3: a[0]: Unkeyed: text\nf.yml:5: a[0].profiles.cpu.period: 1s: too short"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

type refusing string

func (r refusing) Error() string   { return string(r) }
func (r refusing) Validate() error { return r }

// TestLoadWarnsOfMissingFiles wants each file that a value names and that cannot be read.
func TestLoadWarnsOfMissingFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "outrider.yml")
	text := `scrape_configs:
  - job_name: shop
    static_configs: [{targets: ["localhost:8080"]}]
    tls_config:
      ca_file: ca.pem
    authorization:
      credentials_file: token
remote_write:
  - url: http://localhost:9090/api/v1/write
    basic_auth: {username: a, password_file: "${SECRETS}/password"}
    http_headers:
      X-Key: {files: [key]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := Load(file, env("SECRETS", "/nowhere"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		if strings.Contains(w.Msg, "cannot be read") {
			got = append(got, strings.ReplaceAll(w.String(), dir+"/", ""))
		}
	}
	want := []string{
		"outrider.yml:5: scrape_configs[0].tls_config.ca_file: ca.pem cannot be read at present: no such file or directory",
		"outrider.yml:10: remote_write[0].basic_auth.password_file: /nowhere/password cannot be read at present: no such file or directory",
		"outrider.yml:12: remote_write[0].http_headers.X-Key.files[0]: key cannot be read at present: no such file or directory",
	}
	if !slices.Equal(got, want) {
		t.Errorf("warnings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
