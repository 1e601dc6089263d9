package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"outrider": main})
}

// TestScripts runs the real command line. The scripts also serve as examples of it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// Nothing of the machine around the test may configure the sidecar.
			env.Setenv("POD_NAME", "pod-1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"service":  cmdService,
			"receiver": cmdReceiver,
			"freeport": cmdFreePort,
			"occupy":   cmdOccupy,
			"await":    cmdAwait,
			"fetch":    cmdFetch,
			"signal":   cmdSignal,
			"damage":   cmdDamage,

			"copyspool": cmdCopySpool,
		},
		UpdateScripts: *update,
	})
}

// cmdService starts a service with a few metrics and sets VAR to its host:port.
func cmdService(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: service VAR")
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector())
	srv := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	ts.Defer(srv.Close)
	ts.Setenv(args[0], srv.Listener.Addr().String())
}

// cmdReceiver starts an HTTP server that answers STATUS to everything, and sets VAR to its
// URL. What it was sent is counted: fetch GET $VAR/count. It answers otherwise after
// fetch PUT $VAR/STATUS.
func cmdReceiver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: receiver VAR STATUS")
	}
	var status int
	if _, err := fmt.Sscan(args[1], &status); err != nil {
		ts.Fatalf("receiver: %v", err)
	}
	var mu sync.Mutex
	posts := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch r.Method {
		case http.MethodGet:
			fmt.Fprintf(w, "posts %d\n", posts)
			return
		case http.MethodPut:
			if _, err := fmt.Sscan(r.URL.Path[1:], &status); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		posts++
		w.WriteHeader(status)
	}))
	ts.Defer(srv.Close)
	ts.Setenv(args[0], srv.URL)
}

// cmdFreePort sets VAR to a loopback port that nobody uses at this moment.
func cmdFreePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport VAR")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ts.Setenv(args[0], port)
}

// cmdOccupy listens on a port until the script ends.
func cmdOccupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy PORT")
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}

// cmdAwait asks a URL until its answer holds a text, at most ten seconds long.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await URL TEXT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var last string
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		_, body, err := get(ctx, http.MethodGet, args[0])
		if err == nil && strings.Contains(body, args[1]) {
			return
		}
		last = body
		if err != nil {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s never answered %q; last: %s", args[0], args[1], last)
		case <-tick.C:
		}
	}
}

// cmdFetch makes one request as curl would and prints status and body: fetch METHOD URL.
func cmdFetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fetch METHOD URL")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	code, body, err := get(ctx, args[0], args[1])
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d\n%s", code, body)
}

// cmdSignal sends TERM, INT, HUP or KILL to the sidecar that holds a lock file, whose pid is in it.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME LOCKFILE")
	}
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}
	var pid int
	if _, err := fmt.Sscan(ts.ReadFile(args[1]), &pid); err != nil {
		ts.Fatalf("signal: %v", err)
	}
	ts.Check(syscall.Kill(pid, signals[args[0]]))
}

// cmdCopySpool copies the only spool below a folder to another: copyspool FROM TO.
func cmdCopySpool(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: copyspool FROM TO")
	}
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "spool", "*"))
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("copyspool: found %v", found)
	}
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(found[0])))
}

// cmdDamage changes one byte of a file: damage FILE OFFSET.
func cmdDamage(ts *testscript.TestScript, neg bool, args []string) {
	var off int
	if neg || len(args) != 2 {
		ts.Fatalf("usage: damage FILE OFFSET")
	}
	if _, err := fmt.Sscan(args[1], &off); err != nil {
		ts.Fatalf("damage: %v", err)
	}
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	b[off] ^= 0xff
	ts.Check(os.WriteFile(name, b, 0o640))
}

func get(ctx context.Context, method, url string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(body), err
}

// TestEveryCommandShowsExamples keeps help texts complete.
func TestEveryCommandShowsExamples(t *testing.T) {
	for _, name := range []string{"run", "check config", "targets", "healthcheck", "flush", "reload", "pprof", "spool ls", "spool verify", "spool replay", "version"} {
		var out, errOut bytes.Buffer
		code := Run(t.Context(), append(strings.Fields(name), "--help"), stdio{
			Out: &out, Err: &errOut, Getenv: os.Getenv, Environ: os.Environ,
		})
		text := out.String() + errOut.String()
		if code != exitOK || !strings.Contains(text, "usage: outrider "+name) || !strings.Contains(text, "Examples:\n  ") {
			t.Errorf("outrider %s --help: exit %d, want usage and examples:\n%s", name, code, text)
		}
		for line := range strings.Lines(text) {
			if len([]rune(strings.TrimRight(line, "\n"))) > 100 {
				t.Errorf("outrider %s --help: line over 100 columns: %s", name, line)
			}
		}
	}
}
