package e2e

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"outrider/demo/internal/stack"
)

// TestDoorsBeyondLoopback wants a main door that others can reach to show nothing but health
// to who is not authenticated, and the telemetry door to show metrics and health alone.
func TestDoorsBeyondLoopback(t *testing.T) {
	r := newRig(t)
	ns, err := stack.NewNetns()
	if err != nil {
		t.Skip("not permitted here: ", err)
	}
	t.Cleanup(func() { ns.Close() })
	const ip = "10.9.9.1"
	if err := ns.AddAddress(netip.MustParseAddr(ip)); err != nil {
		t.Skip("not permitted here: ", err)
	}
	main, err := stack.StartSidecar(r.starting(), stack.SidecarOptions{
		Binary: binaries.Outrider, Dir: filepath.Join(r.dir, "outrider"), LogDir: r.dir, Netns: ns,
		Address: ip + ":9910", Args: []string{"--web.telemetry-address=" + ip + ":9911"},
		Env: []string{"OUTRIDER_SERVICE=nobody", "OUTRIDER_TARGET=localhost:1"},
	})
	r.must(err)
	t.Cleanup(main.Kill)
	telemetry := *main
	telemetry.URL = "http://" + ip + ":9911"

	const closed = "403 Forbidden: this address is not loopback"
	for _, tt := range []struct {
		door   *stack.Sidecar
		method func(*stack.Sidecar, string) (string, error)
		path   string
		want   string // in the error; empty: it is shown
	}{
		{main, r.get, "/-/healthy", ""},
		{main, r.get, "/-/ready", ""},
		{main, r.get, "/", closed},
		{main, r.get, "/metrics", closed},
		{main, r.get, "/targets/metrics", closed},
		{main, r.get, "/api/v1/status", closed},
		{main, r.get, "/debug/pprof/heap", closed},
		{main, r.post, "/-/reload", closed},
		{main, r.post, "/-/flush", closed},
		{main, r.post, "/api/v1/profile?target=nobody&type=cpu", closed},
		{&telemetry, r.get, "/-/healthy", ""},
		{&telemetry, r.get, "/-/ready", ""},
		{&telemetry, r.get, "/metrics", ""},
		{&telemetry, r.get, "/targets/metrics", ""},
		{&telemetry, r.get, "/", "404"},
		{&telemetry, r.get, "/api/v1/status", "404"},
		{&telemetry, r.get, "/debug/pprof/heap", "404"},
		{&telemetry, r.post, "/-/reload", "404"},
	} {
		_, err := tt.method(tt.door, tt.path)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s%s: %v", tt.door.URL, tt.path, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s%s: got %v, want %s", tt.door.URL, tt.path, err, tt.want)
		}
	}
}

func (r *rig) get(s *stack.Sidecar, path string) (string, error)  { return s.Get(r.ctx, path) }
func (r *rig) post(s *stack.Sidecar, path string) (string, error) { return s.Post(r.ctx, path) }
