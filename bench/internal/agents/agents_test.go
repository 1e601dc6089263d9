package agents

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestArgs holds how every agent is run, so that a change of it shows in review: it decides
// what is compared.
func TestArgs(t *testing.T) {
	var got strings.Builder
	for _, a := range All("bin/outrider", "bin") {
		dir := t.TempDir()
		args, err := a.Args(Setup{
			Dir: dir, Targets: []string{"127.0.0.1:1001", "127.0.0.1:1002"}, Sink: "http://127.0.0.1:2000/api/v1/write",
			Listen: "127.0.0.1:3000", Interval: 15 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "# %s\n%s %s\n", a.Name, a.Binary, strings.ReplaceAll(strings.Join(args, " "), dir, "DIR"))
		if config, err := os.ReadFile(filepath.Join(dir, "config.yml")); err == nil {
			got.Write(config)
		}
		got.WriteString("\n")
	}
	const golden = "testdata/agents.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("got + want -:\n%s", diff)
	}
}

func TestChoose(t *testing.T) {
	all := All("outrider", "bin")
	for list, want := range map[string]string{
		"":                          "outrider-1.0 outrider-2.0 vmagent-prom vmagent-zstd prometheus floor-1.0 floor-2.0",
		"vmagent,outrider-2.0":      "outrider-2.0 vmagent-prom vmagent-zstd",
		"prometheus,prometheus":     "prometheus",
		"floor-1.0,vmagent-zstd":    "vmagent-zstd floor-1.0",
		"vmagent-prom,vmagent-zstd": "vmagent-prom vmagent-zstd",
	} {
		chosen, err := Choose(all, list)
		var got []string
		for _, a := range chosen {
			got = append(got, a.Name)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("Choose(%q) = %v, %v; want %s", list, got, err, want)
		}
	}
	if _, err := Choose(all, "outrider,alloy"); err == nil || !strings.Contains(err.Error(), `"alloy"`) {
		t.Errorf("an unknown agent gives %v, want an error that names it", err)
	}
}
