package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// FuzzParse holds that no file makes Parse panic, that its errors name the file, and that what
// loads is printed as something that loads as the same.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yml", "testdata/bad/*.yml"} {
		for _, file := range inputs(f, pattern) {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte(minimal))
	f.Add([]byte("global: &g {<<: *g}"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("scrape_configs: [&a {job_name: !!binary eA==, static_configs: [{targets: [\xff]}]}, *a]"))
	f.Add([]byte("remote_write: [{url: http://a, oauth2: {claims: {? {a: b} : c}}}]"))
	f.Add([]byte("remote_write: [{url: http://a, http_headers: {<<: {b: {values: [c]}}}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		getenv := func(name string) string { return strings.ToLower(name) }
		c, _, err := Parse("f.yml", data, getenv, "/etc/outrider")
		if err != nil {
			var all Errors
			if !errors.As(err, &all) || len(all) == 0 {
				t.Fatalf("error is a %T: %v", err, err)
			}
			for _, e := range all {
				if e.File != "f.yml" || e.Line < 0 || e.Line > strings.Count(string(data), "\n")+strings.Count(string(data), "\r")+2 || e.Msg == "" {
					t.Errorf("odd error %#v", e)
				}
			}
			return
		}
		c.DiscoverJobs()
		c.ScrapeJobs()
		c.ProfileJobs()
		once, err := c.Marshal()
		if err != nil {
			t.Fatalf("marshal: %v", err)
		}
		again, _, err := Parse("again.yml", once, getenv, "/")
		if err != nil {
			t.Fatalf("what was marshalled does not load: %v\n%s", err, once)
		}
		twice, err := again.Marshal()
		if err != nil {
			t.Fatalf("marshal again: %v", err)
		}
		if string(once) != string(twice) {
			t.Errorf("changed by loading it again:\n%s\n--- now ---\n%s", once, twice)
		}
	})
}
