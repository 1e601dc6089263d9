package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"outrider/agent/console"
	"outrider/telemetry"
)

func TestPrintStatus(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	long := "recommendations/recommendations-7d9f8b6c5d-x2x9z.shops.svc.cluster.local:8080"
	full := &console.Status{
		Now:    now,
		Config: console.ConfigStatus{Error: `outrider.yml:3: scrape_config: unknown key, did you mean "scrape_configs"?`},
		Targets: []console.TargetStatus{
			{Name: "shop/pod-1:8080", Health: telemetry.HealthUp, LastScrape: now.Add(-3 * time.Second), DurationSeconds: 0.0042, Samples: 412,
				Explosion: &console.Explosion{SamplesKeptOut: 1200, Metric: "http_requests_total", Label: "user_id", Values: 98000, Examples: []string{"0007", "0008"},
					Remedy: (&telemetry.Explosion{Metric: "http_requests_total", Label: "user_id"}).Remedy()}},
			{Name: "db/pod-1:9187", Health: telemetry.HealthDown, LastScrape: now.Add(-8 * time.Second), DurationSeconds: 10,
				LastError: `Get "http://localhost:9187/metrics": dial tcp 127.0.0.1:9187: connect: connection refused ` + "\x1b[2J" + strings.Repeat(" and on", 100)},
			{Name: long, Health: telemetry.HealthUnknown},
			{Name: "shop/pod-1:8080", Health: telemetry.HealthUp, LastScrape: now, DurationSeconds: 0.001, Samples: 3},
		},
		Profiles: []console.ProfileStatus{
			{Target: "shop/pod-1:8080", Type: "cpu", LastCapture: now.Add(-42 * time.Second)},
			{Target: "shop/pod-1:8080", Type: "mutex", LastError: "status 404 of http://localhost:8080/debug/pprof/mutex"},
			{Target: "worker/pod-1:6060", Type: "memory", LastCapture: now.Add(-90 * time.Minute)},
		},
		Endpoints: []console.EndpointStatus{
			{Kind: "remote_write", Name: "prom", LastSuccess: now.Add(-2 * time.Second)},
			{Kind: "remote_write", Name: "far", Queued: 3600, QueuedBytes: 200 << 20, Capacity: 256 << 20, Dropped: map[string]int64{"queue_full": 1200, "max_age": 7}, DiskFailing: true},
			{Kind: "pyroscope_write", Name: "pyro", Queued: 12, QueuedBytes: 1 << 20, LastError: "401: " + strings.Repeat("x", 120)},
		},
	}
	var b strings.Builder
	printStatus(&b, full)
	b.WriteString("---\n")
	printStatus(&b, &console.Status{Now: now})
	got := b.String()

	const path = "testdata/targets.golden"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
	for line := range strings.Lines(got) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > lineWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.ContainsRune(got, 0x1b) {
		t.Error("an error text drives the terminal")
	}
}

func TestTargetsCommand(t *testing.T) {
	addr := fakeSidecar(t, func(o *console.Options) {
		o.Snapshot = func() console.Snapshot {
			return console.Snapshot{Targets: []telemetry.TargetStatus{
				{Target: newTarget("shop", "pod-1:8080"), Health: telemetry.HealthUp, LastScrape: time.Now(), Samples: 7},
				{Target: newTarget("db", "pod-1:9187"), Health: telemetry.HealthDown},
			}}
		}
	})
	got := outrider(t, "targets", "--url", addr)
	if got.code != 0 || got.err != "" || !strings.Contains(got.out, "shop/pod-1:8080  up ") {
		t.Errorf("%+v", got)
	}
	got = outrider(t, "targets", "--url", addr, "--fail-down")
	if got.code != 1 || got.err != "outrider: 1 of 2 targets down\n" || !strings.Contains(got.out, "db/pod-1:9187    down") {
		t.Errorf("%+v", got)
	}
	got = outrider(t, "targets", "--url", addr, "--json")
	var status console.Status
	if err := json.Unmarshal([]byte(got.out), &status); err != nil || got.code != 0 || len(status.Targets) != 2 || status.Targets[0].Samples != 7 {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string][]string{
		"":                 nil,
		"  ":               nil,
		"one two":          {"one two"},
		"one two three":    {"one two", "three"},
		"onetwothreefour":  {"onetwoth", "reefour"},
		"a onetwothreefou": {"a", "onetwoth", "reefou"},
		"éééééééé é":       {"éééééééé", "é"},
		"ééééééééé":        {"éééééééé", "é"},
	} {
		if diff := cmp.Diff(want, wrap(text, 8)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}
