package discover

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"

	"outrider/telemetry"
)

// running is a Discoverer whose Run is under way in a synctest bubble.
type running struct {
	*Discoverer
	t       *testing.T
	reg     *prometheus.Registry
	logs    bytes.Buffer
	updates []telemetry.Targets
}

func newDiscoverer(t *testing.T) *running {
	r := &running{t: t, reg: prometheus.NewPedanticRegistry()}
	r.Discoverer = New(Options{
		Logger:     slog.New(slog.NewTextHandler(&r.logs, nil)),
		Registerer: r.reg,
		Identity:   Identity{Instance: "pod-1"},
	})
	return r
}

// run starts Run and returns what ends it and checks how it ended.
func (r *running) run() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error)
	go func() {
		done <- r.Run(ctx, func(targets telemetry.Targets) { r.updates = append(r.updates, targets) })
	}()
	return func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run returned %v", err)
		}
	}
}

// expect waits and checks the updates since the last call, each as its URLs in order.
func (r *running) expect(wait time.Duration, want ...string) {
	r.t.Helper()
	time.Sleep(wait)
	synctest.Wait()
	var got []string
	for _, u := range r.updates {
		var urls []string
		for _, kind := range []map[string][]*telemetry.Target{u.Scrape, u.Profile} {
			for _, job := range []string{"a", "b", "p"} {
				for _, t := range kind[job] {
					urls = append(urls, t.URL.String())
				}
			}
		}
		got = append(got, strings.Join(urls, " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("updates (-want +got):\n%s", diff)
	}
	r.updates = nil
}

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.yml")
	write := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("[{targets: [x:1]}]")
	synctest.Test(t, func(t *testing.T) {
		r := newDiscoverer(t)
		defer r.run()()
		// At once, even if there is nothing; then only when something differs.
		r.expect(0, "")
		r.expect(time.Hour)

		a := Job{Name: "a", Config: Config{FileSDConfigs: []FileSDConfig{{Files: []string{path}}}}}
		p := Job{Name: "p", Profile: true, ScrapeJob: "a", Port: 6060}
		r.Apply([]Job{a, p})
		r.expect(0, "http://x:1/metrics http://x:6060/debug/pprof")
		r.Apply([]Job{a, p})
		r.expect(time.Hour)

		write("[{targets: [x:1, y:1]}]")
		r.expect(pollInterval, "http://x:1/metrics http://y:1/metrics http://x:6060/debug/pprof http://y:6060/debug/pprof")
		write("[{targets: [y:1, x:1], labels: {}}]") // means the same
		r.expect(pollInterval)
		write("half: [")
		r.expect(time.Hour)
		if n := testutil.ToFloat64(r.metrics.fileErrors.WithLabelValues(path)); n == 0 {
			t.Error("the malformed file was not counted")
		}

		// A reload in between does not lose what a malformed file said before.
		r.Apply([]Job{a, p, {Name: "b", Config: static("z:1")}})
		r.expect(0, "http://x:1/metrics http://y:1/metrics http://z:1/metrics http://x:6060/debug/pprof http://y:6060/debug/pprof")

		r.Apply(nil)
		r.expect(0, "")
		if n := testutil.CollectAndCount(r.reg); n != 0 {
			t.Errorf("%d series are left of jobs that are gone", n)
		}
	})
}

func TestRunKeepsTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDiscoverer(t)
		r.Apply([]Job{{Name: "a", Config: static("x:1", "y:1")}})
		defer r.run()()
		synctest.Wait()
		r.Apply([]Job{{Name: "a", Config: static("y:1", "z:1")}})
		synctest.Wait()
		if len(r.updates) != 2 {
			t.Fatalf("%d updates, want 2", len(r.updates))
		}
		if first, second := r.updates[0].Scrape["a"][1], r.updates[1].Scrape["a"][0]; first != second {
			t.Errorf("%s was made anew", first.URL)
		}
	})
}

// Jobs applied while update runs are not lost, and those that a later call replaced are not shown.
func TestApplyDuringUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiscoverer(t).Discoverer
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		err := d.Run(ctx, func(targets telemetry.Targets) {
			for _, target := range targets.Scrape["a"] {
				got = append(got, target.URL.Host)
			}
			switch len(got) {
			case 0:
				d.Apply([]Job{{Name: "a", Config: static("x:1")}})
				d.Apply([]Job{{Name: "a", Config: static("y:1")}})
			case 1:
				cancel()
			}
		})
		if diff := cmp.Diff([]string{"y:1"}, got); err != nil || diff != "" {
			t.Errorf("error %v, targets (-want +got):\n%s", err, diff)
		}
	})
}

func TestProblemsAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newDiscoverer(t)
		defer r.run()()
		logged := func() int {
			defer r.logs.Reset()
			synctest.Wait()
			return strings.Count(r.logs.String(), "level=WARN")
		}
		bad := func(n int) Config {
			var c StaticConfig
			for i := range n {
				c.Targets = append(c.Targets, fmt.Sprintf("host-%d:0", i))
			}
			return Config{StaticConfigs: []StaticConfig{c}}
		}
		for _, step := range []struct {
			job  Job
			want int
		}{
			{Job{Name: "a", Config: bad(3)}, 3},
			{Job{Name: "a", Config: bad(3)}, 0},
			{Job{Name: "a", Config: bad(4)}, 1},
			{Job{Name: "a", Config: bad(2)}, 0},
			{Job{Name: "a", Config: bad(3)}, 1},
			{Job{Name: "b", Config: bad(1000)}, maxReported + 1},
			{Job{Name: "b", Config: Config{StaticConfigs: []StaticConfig{
				{Targets: []string{"x:1"}, Labels: model.LabelSet{"instance": "localhost"}},
			}}}, 1},
			{Job{Name: "b", Path: "/m", Config: Config{StaticConfigs: []StaticConfig{
				{Targets: []string{"x:1"}, Labels: model.LabelSet{"instance": "localhost"}},
			}}}, 0},
		} {
			r.Apply([]Job{step.job})
			if got := logged(); got != step.want {
				t.Errorf("job %s with %d targets: %d lines, want %d", step.job.Name,
					len(step.job.Config.StaticConfigs[0].Targets), got, step.want)
			}
		}
	})
}
