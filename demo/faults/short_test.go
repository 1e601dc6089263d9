package faults

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"outrider/demo/internal/stack"
)

// TestShortCampaign is the campaign with short waits and few kills, for CI.
func TestShortCampaign(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a minute")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	root := filepath.Join("..", "..")
	opts := Options{Kills: 16, Short: true, Seed: uint64(time.Now().UnixNano()), Dir: t.TempDir(), Say: t.Logf, OldPrometheus: os.Getenv("OLD_PROMETHEUS_BIN")}
	if err := stack.Locate(ctx, []stack.Wanted{
		{Env: "OUTRIDER_BIN", Path: &opts.Outrider, Build: (&stack.Builder{Root: root, Bin: t.TempDir()}).Outrider},
		{Env: "PROMETHEUS_BIN", Path: &opts.Prometheus, Build: (&stack.Builder{Root: root, Bin: filepath.Join(root, "bin")}).Prometheus},
	}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	rows, err := Run(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d\n%s", opts.Seed, Table(rows, time.Since(began)))
	missed := map[string]bool{}
	for _, r := range Missed(rows) {
		t.Errorf("%s: %s: %s, want %s", r.Case, r.What, r.Got, r.Want)
		missed[r.Case] = true
	}
	for name := range missed {
		showLogs(t, filepath.Join(opts.Dir, name))
	}
}

// showLogs prints the ends of all logs of a case, as the folder goes away with the test.
func showLogs(t *testing.T, dir string) {
	logs, _ := filepath.Glob(filepath.Join(dir, "*", "*.log"))
	for _, file := range logs {
		b, _ := os.ReadFile(file)
		if n := len(b) - 2<<10; n > 0 {
			b = b[n:]
		}
		t.Logf("end of %s:\n%s", file, b)
	}
}
