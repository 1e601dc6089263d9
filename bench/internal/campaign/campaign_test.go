package campaign

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outrider/bench/internal/agents"
	"outrider/bench/internal/load"
)

func plan(t *testing.T, agentNames string, loads ...string) Plan {
	t.Helper()
	chosen, err := agents.Choose(agents.All("outrider", "bin"), agentNames)
	if err != nil {
		t.Fatal(err)
	}
	p := Plan{Agents: chosen, Repeats: 2, Times: func(l load.Load) load.Times { return l.Times(load.Times{}) }}
	for _, text := range loads {
		l, err := load.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		p.Loads = append(p.Loads, l)
	}
	return p
}

func TestStepsTakeTurns(t *testing.T) {
	var got []string
	for _, s := range plan(t, "outrider-2.0,vmagent-prom,prometheus", "1x10k@1s", "1x10k@1s+5%").Steps() {
		got = append(got, strings.Join([]string{s.Load.String(), s.Agent.Name, strings.Repeat("I", s.Repeat)}, " "))
	}
	want := []string{
		"1x10k@1s outrider-2.0 I", "1x10k@1s vmagent-prom I", "1x10k@1s prometheus I",
		"1x10k@1s outrider-2.0 II", "1x10k@1s vmagent-prom II", "1x10k@1s prometheus II",
		"1x10k@1s+5% outrider-2.0 I", "1x10k@1s+5% vmagent-prom I", // prometheus has no part in these
		"1x10k@1s+5% outrider-2.0 II", "1x10k@1s+5% vmagent-prom II",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("got + want -:\n%s", diff)
	}
}

func TestJournalIsTakenUpAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	type made struct{ Version string }
	j, runs, err := OpenJournal(path, made{"1"})
	if err != nil || len(runs) != 0 {
		t.Fatalf("a new journal holds %v, %v", runs, err)
	}
	one := Run{Load: "1x10k@1s", Agent: "outrider-1.0", Repeat: 1, Samples: 5, CPU: time.Second}
	two := Run{Load: "1x10k@1s", Agent: "vmagent-prom", Repeat: 1, Samples: 6}
	for _, r := range []Run{one, two} {
		if err := j.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.file.WriteString(`{"load":"1x10`); err != nil { // cut short
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time without the torn line
		j, runs, err = OpenJournal(path, made{"1"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Run{one, two}, runs); diff != "" {
			t.Errorf("got + want -:\n%s", diff)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenJournal(path, made{"2"}); err == nil || !strings.Contains(err.Error(), "other programs") {
		t.Errorf("a journal of another version gives %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("a journal that was refused was changed (%v)", err)
	}

	p := plan(t, "outrider-1.0,vmagent-prom", "1x10k@1s")
	left := slices.DeleteFunc(p.Steps(), func(s Step) bool { return has(runs, s) })
	if len(left) != 2 || left[0].Repeat != 2 || left[1].Repeat != 2 {
		t.Errorf("after both first runs, these are left: %v", left)
	}
}

// programs builds the programs that a run needs besides an agent; the floor plays that.
func programs(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin+"/", "outrider/bench/cmd/bench-target", "outrider/bench/cmd/bench-sink", "outrider/bench/cmd/bench-floor")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

func TestMeasure(t *testing.T) {
	bin := programs(t)
	b := &Bench{Bin: bin, Status: func(string, ...any) {}}
	all := agents.All(filepath.Join(bin, "outrider"), bin)
	floor, err := agents.Choose(all, "floor")
	if err != nil {
		t.Fatal(err)
	}
	times := load.Times{Warmup: 300 * time.Millisecond, Window: 1200 * time.Millisecond}
	for i, text := range []string{"2x200@0.2s", "1x200@0.3s"} {
		l, err := load.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		r, err := b.Measure(t.Context(), floor[i], l, times, "")
		if err != nil {
			t.Fatal(err)
		}
		// A slow machine skips scrapes; what was served has to arrive all the same.
		if r.Missing.Lost > 0 || r.Missing.Wrong > 0 || r.Repeats > 0 || r.Bad != "" || r.Killed {
			t.Errorf("%s: %+v", text, r)
		}
		if r.Samples < 200 || r.Samples%200 != 0 || r.CPU <= 0 || r.CPU > times.Window || r.Anon <= 0 || r.RSS <= r.Anon || r.Bytes <= int64(r.Samples) {
			t.Errorf("%s: implausible: %+v", text, r)
		}
	}
	t.Run("an agent that ends", func(t *testing.T) {
		broken := floor[0]
		broken.Binary = "/bin/false"
		if _, err := b.Measure(t.Context(), broken, load.Load{Targets: 1, Series: 100, Interval: time.Second}, times, ""); err == nil || !strings.Contains(err.Error(), "floor-1.0 has ended") {
			t.Errorf("got %v, want an error that names the agent", err)
		}
	})
	t.Run("an agent that is missing", func(t *testing.T) {
		vmagent, err := agents.Choose(all, "vmagent-prom")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Measure(t.Context(), vmagent[0], load.Load{Targets: 1, Series: 100, Interval: time.Second}, times, ""); err == nil || !strings.Contains(err.Error(), "start vmagent-prom") {
			t.Errorf("got %v, want an error that names the agent", err)
		}
	})
	t.Run("an agent that speaks another protocol", func(t *testing.T) {
		mute := floor[0]
		mute.Protocol = "zstd"
		if _, err := b.Measure(t.Context(), mute, load.Load{Targets: 1, Series: 100, Interval: 200 * time.Millisecond}, times, ""); err == nil || !strings.Contains(err.Error(), "in protocol 1.0, want zstd") {
			t.Errorf("got %v, want an error that names the protocols", err)
		}
	})
	t.Run("a user who stops it", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := b.Measure(ctx, floor[0], load.Load{Targets: 1, Series: 100, Interval: time.Second}, load.Times{Warmup: time.Minute, Window: time.Minute}, ""); err == nil {
			t.Error("a run that was stopped gave a result")
		}
	})
}
