package main

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

func TestVersionCommand(t *testing.T) {
	short := outrider(t, "version", "--short")
	v := strings.TrimSuffix(short.out, "\n")
	if short.code != 0 || v == "" || strings.HasPrefix(v, "v") || strings.ContainsAny(v, " \n()") {
		t.Errorf("--short: %+v", short)
	}
	got := outrider(t, "version")
	for _, want := range []string{"outrider, version " + v + " (revision: ", "go version:  " + runtime.Version(), "platform:    " + runtime.GOOS + "/" + runtime.GOARCH} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%+v lacks %q", got, want)
		}
	}
	got = outrider(t, "version", "--json")
	var b build
	if err := json.Unmarshal([]byte(got.out), &b); err != nil || b.Version != v || b.GoVersion != runtime.Version() {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestBuildPrintsWhatIsKnown(t *testing.T) {
	var b strings.Builder
	build{Version: "1.2.3", Revision: "abc", Branch: "main", GoVersion: "go1.26"}.print(&b)
	want := "outrider, version 1.2.3 (revision: abc)\n  branch:      main\n  go version:  go1.26\n"
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}
