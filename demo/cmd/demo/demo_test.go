package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrider/demo/internal/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCountRow(t *testing.T) {
	for _, tc := range []struct {
		name   string
		counts map[string]int
		err    error
		want   row
	}{
		{"nothing", nil, nil, row{"rejects", "0", "0", true}},
		{"zeros", map[string]int{"too old": 0}, nil, row{"rejects", "0", "0", true}},
		{"some", map[string]int{"too old": 2, "out of order": 1}, nil, row{"rejects", "3 (out of order: 1, too old: 2)", "0", false}},
		{"unknown", nil, errors.New("refused"), row{"rejects", "refused", "0", false}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := countRow("rejects", tc.counts, tc.err); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	got := describe(stack.Progress{Modules: 3, Compile: 40, Last: "net/http"}, 61*time.Second)
	if want := "1m1s, 3 modules downloaded, 40 packages compiled, net/http"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestScreenWithoutTerminal wants plain lines, and a status only now and then.
func TestScreenWithoutTerminal(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s := newScreen(out)
	s.Printf("one\n")
	s.Status("too soon")
	s.printed = time.Now().Add(-time.Hour)
	s.Status("a status")
	s.Status("too soon again")
	s.Printf("two")
	s.Close()
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), "one\na status\ntwo\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestUsage(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if got := Run(t.Context(), []string{"--protocol", "3.0"}, out, out); got != exitUsage {
		t.Errorf("unknown protocol: exit %d, want %d", got, exitUsage)
	}
	if got := Run(t.Context(), []string{"--help"}, out, out); got != 0 {
		t.Errorf("--help: exit %d, want 0", got)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`demo: enum value must be one of 1.0,2.0, got '3.0'`, "--for=30s", "keep  "} {
		if !strings.Contains(string(b), want) {
			t.Errorf("output has no %q:\n%s", want, b)
		}
	}
}

func TestProfileTypesHaveAmounts(t *testing.T) {
	for _, p := range profileTypes {
		if got := amount(p.stored, nil); !strings.HasPrefix(got, "0") {
			t.Errorf("%s of nothing: %q", p.name, got)
		}
	}
}
