package report

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"outrider/bench/internal/campaign"
	"outrider/bench/internal/sink"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// runs is a campaign of two repeats. ms are the milliseconds of CPU for 1,000 samples.
func runs() []campaign.Run {
	var all []campaign.Run
	add := func(load, agent string, repeat int, ms, rss, anon float64) *campaign.Run {
		all = append(all, campaign.Run{
			Load: load, Agent: agent, Repeat: repeat, Samples: 450_000, Requests: 45, Bytes: 7_650_000,
			CPU: time.Duration(ms * 450 * 1e6), RSS: int64(rss * mb), Anon: int64(anon * mb), Foreign: 0.012,
		})
		return &all[len(all)-1]
	}
	for repeat := 1; repeat <= 2; repeat++ {
		more := float64(repeat-1) / 10
		add("1x10k@1s", "outrider-1.0", repeat, 0.28+more, 24, 12)
		add("1x10k@1s", "outrider-2.0", repeat, 0.20+more/10, 22, 10)
		add("1x10k@1s", "vmagent-prom", repeat, 1.1+more, 50, 37)
		add("1x10k@1s", "vmagent-zstd", repeat, 1.5+more, 48, 36)
		add("1x10k@1s", "floor-2.0", repeat, 0.16, 15, 8)
	}
	add("1x500@15s", "outrider-2.0", 1, 6, 24.4, 11).Foreign = 0.2
	add("1x500@15s", "vmagent-prom", 1, 27, 20, 7).Foreign = 0.3
	bad := add("1x10k@1s+5%", "outrider-2.0", 1, 0.9, 30, 15)
	bad.Missing, bad.Repeats, bad.Killed = sink.Missing{Skipped: 1, Lost: 2}, 7, true
	return all
}

func TestReport(t *testing.T) {
	tables, err := Tables(runs())
	if err != nil {
		t.Fatal(err)
	}
	var text, page strings.Builder
	Text(&text, tables)
	Markdown(&page, Circumstances{
		Date: "2026-11-25 12:00 UTC", Command: "make bench", Machine: "AMD EPYC, 2 cores", Kernel: "Linux 6.18", Memory: "24 GiB",
		Go: "1.26.8", Versions: []Version{{"outrider", "1234567"}, {"vmagent", "v1.150.0"}}, Repeats: 2, Warmup: "15s", Window: "45s",
	}, tables)
	for file, got := range map[string]string{"testdata/report.txt": text.String(), "testdata/report.md": page.String()} {
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
			t.Errorf("%s: got + want -:\n%s", file, diff)
		}
	}
	for line := range strings.Lines(text.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("line of %d columns: %s", n, line)
		}
	}
}

func TestBroken(t *testing.T) {
	tables, err := Tables(runs())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"outrider-2.0 under 1x10k@1s+5%: 3 gaps, 7 repeats (1 skipped, 2 lost, 0 wrong; did not end when asked to)"}
	if diff := cmp.Diff(want, Broken(tables)); diff != "" {
		t.Errorf("got + want -:\n%s", diff)
	}
}

func TestStat(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   Stat
	}{
		{[]float64{3}, Stat{3, 3, 3}},
		{[]float64{4, 1}, Stat{2.5, 1, 4}},
		{[]float64{9, 1, 2}, Stat{2, 1, 9}},
	} {
		if got := stat(tc.values); got != tc.want {
			t.Errorf("got %+v, want %+v", got, tc.want)
		}
	}
}
