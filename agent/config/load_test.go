package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files and docs/configuration.md again")

// env makes a getenv.
func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

// golden compares got with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func inputs(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no input files: %s: %v", pattern, err)
	}
	return files
}

// TestBad holds the exact text of every error of every broken file.
func TestBad(t *testing.T) {
	for _, file := range inputs(t, "testdata/bad/*.yml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = Parse(filepath.Base(file), data, env(), "/etc/outrider")
			if err == nil {
				t.Fatal("no error")
			}
			if _, ok := err.(Errors); !ok {
				t.Errorf("error is a %T", err)
			}
			golden(t, strings.TrimSuffix(file, ".yml")+".err", err.Error()+"\n")
		})
	}
	for _, file := range inputs(t, "testdata/bad/*.err") {
		if _, err := os.Stat(strings.TrimSuffix(file, ".err") + ".yml"); err != nil {
			t.Errorf("%s is golden to nothing: %v", file, err)
		}
	}
}

var goodEnv = env("ENVIRONMENT", "production", "SCRAPE_PASSWORD", "hunter2", "API_KEY", "k3y", "TENANT", "payments")

// TestGood holds the warnings and the effective configuration of files that work.
func TestGood(t *testing.T) {
	for _, file := range inputs(t, "testdata/good/*.yml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, warnings, err := Parse(filepath.Base(file), data, goodEnv, "/etc/outrider")
			if err != nil {
				t.Fatal(err)
			}
			effective, err := c.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, w := range warnings {
				b.WriteString(w.String() + "\n")
			}
			base := strings.TrimSuffix(file, ".yml")
			golden(t, base+".warnings", b.String())
			golden(t, base+".effective", string(effective))
			for _, secret := range []string{"hunter2", "k3y", "t0ken", "p%40ss", "api_key=k"} {
				if strings.Contains(string(effective), secret) {
					t.Errorf("effective configuration shows %q", secret)
				}
			}

			again, _, err := Parse("effective.yml", effective, env(), "/elsewhere")
			if err != nil {
				t.Fatalf("effective configuration does not load:\n%v", err)
			}
			twice, err := again.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(effective), string(twice)); diff != "" {
				t.Errorf("the effective configuration is not its own (-once +twice):\n%s", diff)
			}
		})
	}
}
