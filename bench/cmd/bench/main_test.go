package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"outrider/bench/internal/load"
)

// command runs the program with its output in a file, which is no terminal.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var errs bytes.Buffer
	code = Run(t.Context(), args, out, &errs)
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, string(text), errs.String()
}

func TestUsage(t *testing.T) {
	t.Setenv("OUTRIDER_BIN", "")
	some := t.TempDir() // all that is needed but vmagent
	for _, name := range []string{"outrider", "prometheus", "bench-target", "bench-sink", "bench-floor"} {
		if err := os.WriteFile(filepath.Join(some, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"list", []string{"--list"}, 0, "vmagent-zstd\nprometheus\nfloor-1.0\n", ""},
		{"help", []string{"--help"}, 0, "--[no-]quick", ""},
		{"a missing peer", []string{"--bin", some}, exitUsage, "", "vmagent is missing; `make bench` builds it"},
		{"an unknown agent", []string{"--bin", some, "--agents", "alloy"}, exitUsage, "", `no agent "alloy"`},
		{"an unknown load", []string{"--bin", some, "--loads", "1x10k@1s,2"}, exitUsage, "", `load "2"`},
		{"an unknown flag", []string{"--fast"}, exitUsage, "", "fast"},
		{"no repeats", []string{"--bin", some, "--repeats", "0"}, exitUsage, "", "at least one repeat"},
		{"a program that is none", []string{"--bin", some, "--agents", "prometheus"}, exitFailure, "", "read the version of prometheus"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := command(t, tc.args...)
			if code != tc.code || !strings.Contains(stdout, tc.stdout) || !strings.Contains(stderr, tc.stderr) {
				t.Errorf("code %d, want %d\nstdout %s\nstderr %s", code, tc.code, stdout, stderr)
			}
		})
	}
}

func TestTimesOfFlags(t *testing.T) {
	fast, slow := load.Load{Targets: 1, Series: 100, Interval: time.Second}, load.Load{Targets: 1, Series: 100, Interval: 15 * time.Second}
	for _, tc := range []struct {
		args       string
		fast, slow load.Times
	}{
		{"", load.Times{Warmup: 15 * time.Second, Window: 45 * time.Second}, load.Times{Warmup: time.Minute, Window: 150 * time.Second}},
		{"--quick", load.Times{Warmup: 6 * time.Second, Window: 15 * time.Second}, load.Times{Warmup: 30 * time.Second, Window: 30 * time.Second}},
		{"--window 30s", load.Times{Warmup: 15 * time.Second, Window: 30 * time.Second}, load.Times{Warmup: 30 * time.Second, Window: 30 * time.Second}},
	} {
		f, done, err := parse(strings.Fields(tc.args), os.Stdout, os.Stderr)
		if err != nil || done {
			t.Fatal(err)
		}
		times, repeats := f.times()
		if times(fast) != tc.fast || times(slow) != tc.slow || (repeats == 1) != f.quick {
			t.Errorf("%q: %v and %v, %d repeats; want %v and %v", tc.args, times(fast), times(slow), repeats, tc.fast, tc.slow)
		}
	}
}

func TestQuoteArgs(t *testing.T) {
	for want, args := range map[string][]string{
		"":                                 {"--bin", "/some/bin"},
		" ARGS='--quick --agents vmagent'": {"--bin", "/some/bin", "--quick", "--agents", "vmagent"},
		" ARGS='--out bench/RESULTS.md'":   {"--out", "bench/RESULTS.md"},
	} {
		if got := quoteArgs(args); got != want {
			t.Errorf("%v: got %q, want %q", args, got, want)
		}
	}
}
