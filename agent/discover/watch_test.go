package discover

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
)

// watched is a watcher under test with a clock of its own.
type watched struct {
	*watcher
	t    *testing.T
	dir  string
	now  time.Time
	logs bytes.Buffer
}

// watch returns a watcher of patterns below a new folder.
func watch(t *testing.T, patterns ...string) *watched {
	w := &watched{t: t, dir: t.TempDir(), now: time.Now()}
	errs := newMetrics(prometheus.NewRegistry()).fileErrors
	w.watcher = newWatcher(slog.New(slog.NewTextHandler(&w.logs, nil)), errs)
	w.apply(0, patterns...)
	return w
}

func (w *watched) apply(refresh time.Duration, patterns ...string) {
	fc := FileSDConfig{RefreshInterval: model.Duration(refresh)}
	for _, p := range patterns {
		fc.Files = append(fc.Files, w.path(p))
	}
	w.watcher.apply([]Job{{Config: Config{FileSDConfigs: []FileSDConfig{fc}}}})
}

func (w *watched) path(name string) string { return filepath.Join(w.dir, name) }

func (w *watched) write(name, content string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o777); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(content), 0o666); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) link(target, name string) {
	w.t.Helper()
	if err := os.Symlink(target, w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) rename(from, to string) {
	w.t.Helper()
	if err := os.Rename(w.path(from), w.path(to)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) remove(name string) {
	w.t.Helper()
	if err := os.RemoveAll(w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

// look polls one interval later and checks whether that saw a change, and what the pattern
// then holds.
func (w *watched) look(pattern string, changed bool, want ...string) {
	w.t.Helper()
	w.now = w.now.Add(pollInterval)
	if got := w.poll(w.now); got != changed {
		w.t.Errorf("changed: %v, want %v", got, changed)
	}
	var got []string
	for _, g := range w.groups(w.path(pattern)) {
		for _, addr := range g.Targets {
			rel, err := filepath.Rel(w.dir, g.path)
			if err != nil {
				w.t.Fatal(err)
			}
			got = append(got, rel+" "+addr)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func (w *watched) wantErrors(pattern string, want float64) {
	w.t.Helper()
	if got := testutil.ToFloat64(w.errors.WithLabelValues(w.path(pattern))); got != want {
		w.t.Errorf("%v errors were counted, want %v", got, want)
	}
}

func TestWatchOneFile(t *testing.T) {
	w := watch(t, "t.yml")
	w.look("t.yml", false)
	w.write("t.yml", "[{targets: [a:1]}]")
	w.look("t.yml", true, "t.yml a:1")
	w.look("t.yml", false, "t.yml a:1")
	w.write("t.yml", "[{targets: [a:1]}, {targets: [b:1]}]")
	w.look("t.yml", true, "t.yml a:1", "t.yml b:1")

	// As many editors write: a new file in the place of the old one.
	w.write("t.yml~", "[{targets: [a:1]}, {targets: [c:1]}]")
	w.rename("t.yml~", "t.yml")
	w.look("t.yml", true, "t.yml a:1", "t.yml c:1")

	w.write("t.yml", "[]")
	w.look("t.yml", true)
	w.remove("t.yml")
	w.look("t.yml", true)
	w.wantErrors("t.yml", 0)
	if n := strings.Count(w.logs.String(), "no target file matches"); n != 2 {
		t.Errorf("a missing file was logged %d times, want once before it came and once after it went:\n%s", n, &w.logs)
	}
}

func TestWatchPattern(t *testing.T) {
	w := watch(t, "web-*.json")
	w.look("web-*.json", false)
	w.write("web-b.json", `[{"targets": ["b:1"]}]`)
	w.write("web-a.json", `[{"targets": ["a:1", "a:2"]}]`)
	w.write("db-a.json", `[{"targets": ["db:1"]}]`)
	w.write("web-a.json.bak", `[{"targets": ["bak:1"]}]`)
	w.look("web-*.json", true, "web-a.json a:1", "web-a.json a:2", "web-b.json b:1")
	w.remove("web-a.json")
	w.look("web-*.json", true, "web-b.json b:1")
	w.wantErrors("web-*.json", 0)
}

// A Kubernetes ConfigMap volume changes by one rename of the link ..data.
func TestWatchConfigMap(t *testing.T) {
	for _, pattern := range []string{"t.yml", "*.yml"} {
		t.Run(pattern, func(t *testing.T) {
			w := watch(t, pattern)
			stamp := time.Now().Add(-time.Hour)
			version := func(dir, content string) {
				w.write(dir+"/t.yml", content)
				// Neither size nor time gives the swap away.
				if err := os.Chtimes(w.path(dir+"/t.yml"), stamp, stamp); err != nil {
					t.Fatal(err)
				}
			}
			version("..v1", "[{targets: [a:1]}]")
			w.link("..v1", "..data")
			w.link(filepath.Join("..data", "t.yml"), "t.yml")
			w.look(pattern, true, "t.yml a:1")

			version("..v2", "[{targets: [b:1]}]")
			w.link("..v2", "..data_tmp")
			w.rename("..data_tmp", "..data")
			w.remove("..v1")
			w.look(pattern, true, "t.yml b:1")
			w.look(pattern, false, "t.yml b:1")
			w.wantErrors(pattern, 0)
		})
	}
}

func TestBadFileKeepsItsTargets(t *testing.T) {
	bad := map[string]struct {
		spoil  func(w *watched)
		errors float64 // after three looks: unreadable files are tried each time, malformed ones once
	}{
		"half a file":     {func(w *watched) { w.write("t.json", `[{"targets": ["a:1`) }, 1},
		"empty":           {func(w *watched) { w.write("t.json", "") }, 1},
		"HTML":            {func(w *watched) { w.write("t.json", "<html>") }, 1},
		"too long":        {func(w *watched) { w.write("t.json", strings.Repeat(" ", maxFileBytes+1)) }, 1},
		"a folder":        {func(w *watched) { w.remove("t.json"); w.write("t.json/x", "") }, 3},
		"a dangling link": {func(w *watched) { w.remove("t.json"); w.link("gone", "t.json") }, 3},
		"a link to itself": {func(w *watched) {
			w.remove("t.json")
			w.link("t.json", "t.json")
		}, 3},
	}
	for name, tt := range bad {
		t.Run(name, func(t *testing.T) {
			w := watch(t, "*.json")
			w.write("other.json", `[{"targets": ["o:1"]}]`)
			w.write("t.json", `[{"targets": ["a:1"]}]`)
			w.look("*.json", true, "other.json o:1", "t.json a:1")
			tt.spoil(w)
			for range 3 {
				w.look("*.json", false, "other.json o:1", "t.json a:1")
			}
			w.wantErrors("*.json", tt.errors)
			if want := "t.json"; !strings.Contains(w.logs.String(), want) {
				t.Errorf("logs do not name %s:\n%s", want, &w.logs)
			}
			w.remove("t.json")
			w.write("t.json", `[{"targets": ["b:1"]}]`)
			w.look("*.json", true, "other.json o:1", "t.json b:1")
			w.wantErrors("*.json", tt.errors)
		})
	}
}

func TestUnreadableFolderKeepsItsTargets(t *testing.T) {
	for _, pattern := range []string{"d/*.json", "d/t.json"} {
		t.Run(pattern, func(t *testing.T) {
			w := watch(t, pattern)
			w.write("d/t.json", `[{"targets": ["a:1"]}]`)
			w.look(pattern, true, "d/t.json a:1")
			// Permissions would not stop root; what is no folder cannot be read by anybody.
			w.rename("d", "away")
			w.write("d", "not a folder")
			w.look(pattern, false, "d/t.json a:1")
			w.wantErrors(pattern, 1)
			// That the folder is gone means that its files are.
			w.remove("d")
			w.look(pattern, true)
			w.rename("away", "d")
			w.look(pattern, true, "d/t.json a:1")
			w.wantErrors(pattern, 1)
		})
	}
}

func TestFileThatIsBadFromTheStart(t *testing.T) {
	w := watch(t, "t.yml")
	w.write("t.yml", "- targets: [a:1\n")
	w.look("t.yml", false)
	w.look("t.yml", false)
	w.wantErrors("t.yml", 1)
	w.write("t.yml", "- targets: [a:1]\n")
	w.look("t.yml", true, "t.yml a:1")
}

func TestRefreshInterval(t *testing.T) {
	tests := map[string]struct {
		interval time.Duration
		after    int // looks until an unseen change is seen
	}{
		"default":           {0, int(5 * time.Minute / pollInterval)},
		"a minute":          {time.Minute, int(time.Minute / pollInterval)},
		"shorter than poll": {time.Millisecond, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := watch(t)
			w.apply(tt.interval, "t.yml")
			stamp := w.now.Add(-time.Hour)
			write := func(content string) { // in place, and with the same time and size
				w.write("t.yml", content)
				if err := os.Chtimes(w.path("t.yml"), stamp, stamp); err != nil {
					t.Fatal(err)
				}
			}
			write("[{targets: [a:1]}]")
			w.look("t.yml", true, "t.yml a:1")
			write("[{targets: [b:1]}]")
			for range tt.after - 1 {
				w.look("t.yml", false, "t.yml a:1")
			}
			w.look("t.yml", true, "t.yml b:1")
		})
	}
}

func TestShortestRefreshIntervalOfAFile(t *testing.T) {
	w := newWatcher(slog.New(slog.DiscardHandler), newMetrics(prometheus.NewRegistry()).fileErrors)
	every := func(d time.Duration) FileSDConfig {
		return FileSDConfig{Files: []string{"t.yml"}, RefreshInterval: model.Duration(d)}
	}
	w.apply([]Job{
		{Config: Config{FileSDConfigs: []FileSDConfig{every(0), every(2 * time.Minute)}}},
		{Config: Config{FileSDConfigs: []FileSDConfig{every(time.Minute), every(time.Hour)}}},
	})
	if got := w.patterns["t.yml"].refresh; got != time.Minute {
		t.Errorf("the file is read every %v, want 1m", got)
	}
}

func TestWhatGivesAChangeAway(t *testing.T) {
	stamp := time.Now().Add(-time.Hour)
	tests := map[string]struct {
		content string
		stamp   time.Time
	}{
		"time": {"[{targets: [b:1]}]", stamp.Add(time.Millisecond)},
		"size": {"[{targets: [b:1]} ]", stamp},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := watch(t, "t.yml")
			write := func(content string, stamp time.Time) {
				w.write("t.yml", content)
				if err := os.Chtimes(w.path("t.yml"), stamp, stamp); err != nil {
					t.Fatal(err)
				}
			}
			write("[{targets: [a:1]}]", stamp)
			w.look("t.yml", true, "t.yml a:1")
			write(tt.content, tt.stamp)
			w.look("t.yml", true, "t.yml b:1")
		})
	}
}

func TestApplyKeepsWhatIsKnown(t *testing.T) {
	w := watch(t, "a.yml", "b.yml")
	w.write("a.yml", "[{targets: [a:1]}]")
	w.write("b.yml", "[{targets: [b:1]}]")
	w.look("a.yml", true, "a.yml a:1")
	w.write("a.yml", "half: [")
	w.look("a.yml", false, "a.yml a:1")

	w.apply(0, "a.yml")
	w.look("a.yml", false, "a.yml a:1")
	w.wantErrors("a.yml", 1)
	if got := testutil.CollectAndCount(w.errors); got != 1 {
		t.Errorf("%d patterns have a counter, want 1", got)
	}
	w.apply(0, "a.yml", "b.yml")
	w.look("b.yml", true, "b.yml b:1")
}

func TestReadFileDoesNotOpenWhatIsNoFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d.yml")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readFile(dir); errString(err) != "read "+dir+": not a regular file" {
		t.Errorf("error %v", err)
	}
	if _, _, err := readFile(filepath.Join(dir, "x.yml")); !os.IsNotExist(err) {
		t.Errorf("error %v, want %v", err, fs.ErrNotExist)
	}
	if _, _, err := readFile("x.txt"); errString(err) != "read x.txt: name must end in .json, .yml or .yaml" {
		t.Errorf("error %v", err)
	}
}
