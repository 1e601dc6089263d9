package stack

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell starts a script and ends it with the test.
func shell(t *testing.T, script string, ns *Netns) *Process {
	t.Helper()
	p, err := Start(Spec{Name: "script", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"GREETING=hello"}, LogDir: t.TempDir(), Netns: ns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// said waits until the log of a process holds a text.
func said(t *testing.T, p *Process, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.Await(ctx, text, func(context.Context) error {
		b, err := os.ReadFile(p.Log())
		if err == nil && !strings.Contains(string(b), text) {
			err = errors.New("not said")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestStop(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		grace        time.Duration
		want         string // part of the error; empty means none
	}{
		{"ends in order", `trap 'exit 0' TERM; echo "$GREETING $HOME"; while :; do sleep 0.05; done`, 10 * time.Second, ""},
		{"ends of the signal", `echo "$GREETING"; exec sleep 60`, 10 * time.Second, ""},
		{"ends badly", `trap 'echo sorry; exit 3' TERM; echo "$GREETING"; while :; do sleep 0.05; done`, 10 * time.Second, "script: exit status 3\n  hello\n  sorry"},
		{"does not end", `trap '' TERM; echo "$GREETING"; while :; do sleep 0.05; done`, 100 * time.Millisecond, "did not end within 100ms and was killed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := shell(t, tc.script, nil)
			said(t, p, "hello")
			err := p.Stop(t.Context(), tc.grace)
			if got := errorText(err); (tc.want == "") != (err == nil) || !strings.Contains(got, tc.want) {
				t.Errorf("stop: %q, want %q", got, tc.want)
			}
			select {
			case <-p.Done():
			default:
				t.Error("still running")
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAwaitOfAProcessThatEnded(t *testing.T) {
	p := shell(t, "echo the port is taken; exit 1", nil)
	err := p.Await(t.Context(), "an answer", func(context.Context) error { return errors.New("refused") })
	if got := errorText(err); !strings.Contains(got, "wait for an answer: script: exit status 1") || !strings.Contains(got, "the port is taken") {
		t.Errorf("await: %q", got)
	}
}

func TestAwaitGivesUp(t *testing.T) {
	p := shell(t, "exec sleep 60", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := p.Await(ctx, "an answer", func(context.Context) error { return errors.New("refused") })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("await: %v", err)
	}
}

func TestStartOfNothing(t *testing.T) {
	if _, err := Start(Spec{Name: "nothing", Path: "/nonexistent", LogDir: t.TempDir()}); err == nil {
		t.Error("started what does not exist")
	}
}

func TestStartOfARelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("script", []byte("#!/bin/sh\necho hello\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := Start(Spec{Name: "script", Path: "./script", LogDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	said(t, p, "hello")
}
