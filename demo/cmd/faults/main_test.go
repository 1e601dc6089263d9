package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--help"}, 0, "--kills=200"},
		{[]string{"--kills", "many"}, exitUsage, `faults: strconv.ParseFloat: parsing "many": invalid syntax`},
		{[]string{"--cases", "kills,flood", "--outrider", "/bin/false", "--prometheus", "/bin/false"}, exitMissed, `no case is named "flood": there are kills, damage,`},
	} {
		var out bytes.Buffer
		if got := Run(t.Context(), tt.args, &out, &out); got != tt.code {
			t.Errorf("%v: exit %d, want %d", tt.args, got, tt.code)
		}
		if !strings.Contains(out.String(), tt.want) {
			t.Errorf("%v: output has no %q:\n%s", tt.args, tt.want, out.String())
		}
	}
}

// TestMissed wants exit 1 and the reason when a case fails: a sidecar that ends at once.
func TestMissed(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	if got := Run(t.Context(), []string{"--cases", "deaf", "--outrider", "/bin/false", "--prometheus", "/bin/false", "--out", dir}, &out, &out); got != exitMissed {
		t.Errorf("exit %d, want %d", got, exitMissed)
	}
	for _, want := range []string{"MISS", "logs in " + dir, "1 missed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("output has no %q:\n%s", want, out.String())
		}
	}
}

func TestOutMustBeEmpty(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := Run(t.Context(), []string{"--out", dir}, &out, &out); got != exitMissed || !strings.Contains(out.String(), "is not empty") {
		t.Errorf("exit %d: %s", got, out.String())
	}
}
