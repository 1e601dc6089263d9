package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"outrider/agent/console"
	"outrider/telemetry"
)

func TestPprofCommand(t *testing.T) {
	addr := fakeSidecar(t, nil)
	dir := t.TempDir()
	t.Chdir(dir)
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}

	wantResult(t, outrider(t, "pprof", "shop/pod-1:8080", "--type", "cpu", "--seconds", "10", "-o", "cpu.pprof", "--url", addr),
		result{0, "", "wrote cpu.pprof (22 B)\nlook at it: go tool pprof -http=: cpu.pprof\n"})
	if got := read("cpu.pprof"); got != "shop/pod-1:8080 cpu 10" {
		t.Errorf("wrote %q", got)
	}

	// To standard output, and nothing else with it.
	wantResult(t, outrider(t, "pprof", "--type", "memory", "-o", "-", "--url", addr), result{0, " memory 0", ""})

	// By default the file is named by the sidecar.
	got := outrider(t, "pprof", "shop", "--url", addr)
	names, err := filepath.Glob("shop-cpu-*.pb.gz")
	if err != nil || len(names) != 1 || !strings.Contains(got.err, "wrote "+names[0]) {
		t.Errorf("%+v: %v, %v", got, names, err)
	}

	// A failure leaves what was there, and no part of a file.
	wantResult(t, outrider(t, "pprof", "nobody", "-o", "cpu.pprof", "--url", addr),
		result{1, "", "outrider: unknown target \"nobody\": there are shop/pod-1:8080\n"})
	if got := read("cpu.pprof"); got != "shop/pod-1:8080 cpu 10" {
		t.Errorf("the file is now %q", got)
	}
	if left, _ := filepath.Glob(".outrider-*"); left != nil {
		t.Errorf("left %v behind", left)
	}

	got = outrider(t, "pprof", "shop", "-o", filepath.Join("none", "cpu.pprof"), "--url", addr)
	if got.code != 1 || !strings.Contains(got.err, "write profile: ") || !strings.Contains(got.err, "no such file") {
		t.Errorf("%+v", got)
	}
	wantResult(t, outrider(t, "pprof", "shop", "--seconds=-1", "--url", addr),
		result{1, "", "outrider: --seconds -1: want a positive number\n"})

	// What is no ordinary file stays what it is.
	if got := outrider(t, "pprof", "shop", "-o", os.DevNull, "--url", addr); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatalf("%s was replaced", os.DevNull)
	}
}

func TestPprofInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	ended := make(chan error, 1)
	addr := fakeSidecar(t, func(o *console.Options) {
		o.Capture = func(ctx context.Context, _, _ string, _ int) ([]byte, *telemetry.Target, error) {
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
				ended <- err
				return nil, nil, err
			}
			<-ctx.Done() // the service is let go at once
			ended <- nil
			return nil, nil, ctx.Err()
		}
	})
	wantResult(t, outrider(t, "pprof", "shop", "--url", addr), result{exitAborted, "", "outrider: interrupted\n"})
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir("."); len(left) != 0 {
		t.Errorf("left %v behind", left)
	}
}

func TestProgress(t *testing.T) {
	for _, tc := range []struct {
		o       capture
		elapsed time.Duration
		want    string
	}{
		{capture{target: "shop", typ: "cpu", seconds: 10}, 3500 * time.Millisecond, "recording cpu of shop: 3s of 10s"},
		{capture{target: "shop", typ: "cpu", seconds: 10}, 12 * time.Second, "recording cpu of shop: 12s, waiting for its turn or its answer"},
		{capture{typ: "memory"}, time.Second, "taking a memory profile of the only target: 1s"},
	} {
		if got := tc.o.progress(tc.elapsed); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	var b strings.Builder
	(&capture{typ: "cpu"}).showProgress(&b)()
	if got := b.String(); !strings.HasPrefix(got, "\rtaking a cpu") || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("progress leaves %q", got)
	}
}

func TestIsTerminal(t *testing.T) {
	var b strings.Builder
	if isTerminal(&b) {
		t.Error("a buffer is a terminal")
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if isTerminal(null) {
		t.Error(os.DevNull + " is a terminal")
	}
	// The one that leads to a pseudo-terminal is a character device too.
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here")
	}
	defer ptmx.Close()
	if !isTerminal(ptmx) {
		t.Error("a pseudo-terminal is none")
	}
	got := Run(t.Context(), []string{"pprof", "shop", "-o", "-"}, stdio{Out: ptmx, Err: &b, Getenv: os.Getenv, Environ: os.Environ})
	if got != exitFailure || !strings.Contains(b.String(), "a profile is not for a terminal") {
		t.Errorf("exit %d: %s", got, b.String())
	}
}
