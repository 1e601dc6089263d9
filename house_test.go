// Package outrider holds no code: this file keeps the house in order. It checks who may
// import whom, that every package says what it is for, and what the sidecar links.
package outrider

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/doc"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "rewrite cmd/outrider/deps.txt")

// rooms says what each package of this module may import of the others, and why. A trailing
// "/..." covers the packages below as well.
var rooms = []struct {
	pkg    string
	may    []string
	reason string
}{
	{"telemetry", nil, "the values that flow are a leaf, so that every stage can share them"},
	{"agent/backoff", nil, "a helper of all senders knows none of them"},
	{"agent/outbound", nil, "what the ways to all backends share knows none of them"},
	{"agent/ratelog", nil, "a log handler knows nothing of what is logged"},
	{"agent/footprint", nil, "it looks after the process and knows nothing of what runs in it"},
	{"agent/spool", nil, "a log of bytes knows nothing of what is in them"},
	{"agent/discover", []string{"telemetry"}, "stages never import a sibling: agent joins them"},
	{"agent/scrape", []string{"telemetry"}, "stages never import a sibling: agent joins them"},
	{"agent/remotewrite/wirepage", nil, "it knows bytes, nothing of what they mean"},
	{"agent/remotewrite", []string{"telemetry", "agent/backoff", "agent/outbound", "agent/spool", "agent/remotewrite/wirepage"}, "stages never import a sibling: agent joins them"},
	{"profiler", []string{"telemetry", "agent/backoff"}, "stages never import a sibling: agent joins them"},
	{"profiler/pyroscope", []string{"telemetry", "agent/backoff", "agent/outbound"}, "stages never import a sibling: agent joins them"},
	{"agent/console", []string{"telemetry"}, "stages never import a sibling: agent joins them"},
	{"agent/config", []string{"telemetry", "agent/outbound", "agent/discover", "agent/scrape", "agent/remotewrite", "agent/spool", "profiler", "profiler/pyroscope"},
		"the configuration is composed of what each stage declares; stages do not know the file"},
	{"agent/stock", []string{"agent/spool", "agent/remotewrite"}, "what looks at files of a stage knows how that reads them, and nothing of the agent"},
	{"agent/client", []string{"telemetry", "agent/console"}, "a client knows what the console answers, nothing of how it comes about"},
	{"agent", []string{"telemetry", "agent/...", "profiler/..."}, "the only package that knows all stages"},
	{"cmd/outrider", []string{"telemetry", "agent", "agent/config", "agent/client", "agent/console", "agent/footprint", "agent/ratelog", "agent/stock", "profiler"},
		"the command line starts the agent and asks a running one; it touches no stage"},
	{"examples/...", []string{"examples/..."}, "a service beside the sidecar shares no code with it"},
}

// banned must never be linked into the sidecar.
var banned = []struct{ prefix, reason string }{
	{"github.com/prometheus/prometheus/tsdb", "the sidecar stores requests, not samples"},
	{"github.com/prometheus/prometheus/storage", "it brings the server with it"},
	{"github.com/prometheus/prometheus/config", "it brings every service discovery with it"},
	{"github.com/prometheus/prometheus/discovery", "targets are beside us"},
	{"github.com/prometheus/prometheus/scrape", "it needs the storage"},
	{"k8s.io/", "the downward API and the process namespace are enough"},
	{"google.golang.org/grpc", "both backends speak plain HTTP"},
	{"github.com/grafana/pyroscope/api", "its push message has four fields, encoded by hand"},
}

type pkg struct {
	ImportPath   string
	Doc          string
	Name         string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Standard     bool
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Doc,Name,GoFiles,Imports,TestImports,XTestImports,Standard"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs
}

func covers(pattern, path string) bool {
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == below || strings.HasPrefix(path, below+"/")
	}
	return path == pattern
}

func TestImportsGoDown(t *testing.T) {
	for _, p := range list(t, "./...") {
		path, inside := strings.CutPrefix(p.ImportPath, "outrider/")
		if !inside {
			continue // the root, which holds only this test
		}
		room := slices.IndexFunc(rooms, func(r struct {
			pkg    string
			may    []string
			reason string
		}) bool {
			return covers(r.pkg, path)
		})
		if room < 0 {
			t.Errorf("%s is in no room: add it to the picture in house_test.go and docs/design", path)
			continue
		}
		for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			other, ours := strings.CutPrefix(imp, "outrider/")
			if !ours || other == path {
				continue
			}
			if !slices.ContainsFunc(rooms[room].may, func(m string) bool { return covers(m, other) }) {
				t.Errorf("%s imports %s: %s", path, other, rooms[room].reason)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range list(t, "./...") {
		if len(p.GoFiles) == 0 {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + p.ImportPath[strings.LastIndexByte(p.ImportPath, '/')+1:] + " "
		}
		synopsis := new(doc.Package).Synopsis(p.Doc)
		if !strings.HasPrefix(synopsis, want) || !strings.ContainsFunc(synopsis[len(want):], unicode.IsSpace) {
			t.Errorf("%s: the package comment must begin with a sentence %q..., got %q", p.ImportPath, want, synopsis)
		}
	}
}

// TestDependencies compares what the sidecar links with the committed list, so that a new
// dependency is a decision that shows in review.
func TestDependencies(t *testing.T) {
	const file = "cmd/outrider/deps.txt"
	var got []string
	for _, p := range list(t, "-deps", "./cmd/outrider") {
		if p.Standard || strings.HasPrefix(p.ImportPath, "vendor/") || strings.HasPrefix(p.ImportPath, "outrider/") {
			continue
		}
		got = append(got, p.ImportPath)
		for _, b := range banned {
			if strings.HasPrefix(p.ImportPath, b.prefix) {
				t.Errorf("the sidecar links %s: %s", p.ImportPath, b.reason)
			}
		}
	}
	slices.Sort(got)
	text := "# Packages that the sidecar links beyond this module and the standard library.\n" +
		"# A change here is a decision: say in the commit what it adds to the binary.\n" +
		"# Written by: go test . -run TestDependencies -update\n" + strings.Join(got, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.Split(string(want), "\n")
	for _, p := range got {
		if !slices.Contains(listed, p) {
			t.Errorf("%s is linked but not in %s", p, file)
		}
	}
	for _, p := range listed {
		if p != "" && !strings.HasPrefix(p, "#") && !slices.Contains(got, p) {
			t.Errorf("%s is in %s but no longer linked", p, file)
		}
	}
}
