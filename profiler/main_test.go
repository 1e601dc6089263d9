package profiler

import (
	"bytes"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"outrider/telemetry"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), run with -update if that is meant:\n%s", file, diff)
	}
}

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// pprofServer serves the real handlers of net/http/pprof on loopback.
func pprofServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

// newTarget makes a target of the service svc at the base URL.
func newTarget(t *testing.T, job, base string, lset ...string) *telemetry.Target {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set("job", job).Set("instance", u.Host).Set("service_name", "checkout")
	for i := 0; i < len(lset); i += 2 {
		b.Set(lset[i], lset[i+1])
	}
	return &telemetry.Target{Job: job, URL: u, Labels: b.Labels()}
}

// stacks are the values of samples by stack, root first and ";" between the functions. A
// "|" ends the stack and begins a label, key=value.
type stacks map[string][]int64

// makeProfile makes a profile with the given sample types ("type/unit").
func makeProfile(sampleTypes []string, ss stacks) *profile.Profile {
	m := &profile.Mapping{ID: 1, Start: 0x400000, Limit: 0x500000, File: "/checkout", BuildID: "b1"}
	p := &profile.Profile{
		Mapping:    []*profile.Mapping{m},
		PeriodType: &profile.ValueType{Type: "space", Unit: "bytes"},
		Period:     1,
		TimeNanos:  1e18,
	}
	for _, st := range sampleTypes {
		typ, unit, _ := strings.Cut(st, "/")
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: typ, Unit: unit})
	}
	locations := map[string]*profile.Location{}
	for stack, values := range ss {
		frames, label, labelled := strings.Cut(stack, "|")
		s := &profile.Sample{Value: append([]int64(nil), values...)}
		for _, name := range strings.Split(frames, ";") {
			l := locations[name]
			if l == nil {
				id := uint64(len(locations) + 1) // differs from capture to capture, as in Go
				f := &profile.Function{ID: id, Name: name, Filename: name + ".go"}
				l = &profile.Location{ID: id, Mapping: m, Address: 0x400000 + address(name), Line: []profile.Line{{Function: f, Line: 7}}}
				locations[name] = l
				p.Function = append(p.Function, f)
				p.Location = append(p.Location, l)
			}
			s.Location = append([]*profile.Location{l}, s.Location...)
		}
		if labelled {
			k, v, _ := strings.Cut(label, "=")
			s.Label = map[string][]string{k: {v}}
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

func address(name string) uint64 {
	a := uint64(0)
	for _, c := range name {
		a = a*31 + uint64(c)
	}
	return a & 0xfffff
}

// readStacks is the inverse of makeProfile.
func readStacks(p *profile.Profile) stacks {
	ss := stacks{}
	for _, s := range p.Sample {
		var names []string
		for _, l := range s.Location {
			names = append([]string{l.Line[0].Function.Name}, names...)
		}
		stack := strings.Join(names, ";")
		for k, vs := range s.Label {
			stack += "|" + k + "=" + vs[0]
		}
		ss[stack] = s.Value
	}
	return ss
}

func mustParse(t *testing.T, data []byte) *profile.Profile {
	t.Helper()
	p, err := profile.Parse(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("parse what was sent: %v", err)
	}
	return p
}

func rawOf(p *profile.Profile) []byte {
	var buf bytes.Buffer
	if err := p.WriteUncompressed(&buf); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// copyOf makes another value of the same target.
func copyOf(t *telemetry.Target) *telemetry.Target {
	return &telemetry.Target{Job: t.Job, URL: t.URL, Labels: t.Labels, Discovered: t.Discovered}
}
