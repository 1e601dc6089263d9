package usage

import (
	"os"
	"strings"
	"testing"
	"time"
)

const status = `Name:	outrider
VmPeak:	 1276776 kB
VmRSS:	   33180 kB
RssAnon:	   18540 kB
RssFile:	   14640 kB
Threads:	9
`

func TestParseStatus(t *testing.T) {
	got, err := parseStatus([]byte(status))
	if want := (Memory{RSS: 33180 << 10, Anon: 18540 << 10}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for what, text := range map[string]string{
		"no anonymous part": strings.ReplaceAll(status, "RssAnon", "RssOther"),
		"another unit":      strings.ReplaceAll(status, "33180 kB", "33180 MB"),
		"no number":         strings.ReplaceAll(status, "33180", "many"),
		"a dead process":    "Name:\toutrider\nState:\tZ (zombie)\n",
	} {
		if m, err := parseStatus([]byte(text)); err == nil {
			t.Errorf("%s: got %+v, want an error", what, m)
		}
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("cpu  90760 6231 25551 109261 624 1 276 123 10 20\ncpu0 1 2 3 4 5 6 7 8 9 10\n"))
	if want := (90760 + 6231 + 25551 + 1 + 276 + 123) * tick; err != nil || got != want {
		t.Errorf("got %s, %v; want %s: all but idle and iowait, guests not twice", got, err, want)
	}
	for _, text := range []string{"", "cpu 1 2 3\n", "cpu0 1 2 3 4 5 6 7 8 9 10\n", "cpu 1 2 x 4 5 6 7 8 9 10\n"} {
		if d, err := parseStat([]byte(text)); err == nil {
			t.Errorf("parse %q: got %s, want an error", text, d)
		}
	}
}

// TestThisProcess uses some CPU time and memory and finds them.
func TestThisProcess(t *testing.T) {
	pid := os.Getpid()
	cpu, err := CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	busy, err := Busy()
	if err != nil {
		t.Fatal(err)
	}
	memory, err := ReadMemory(pid)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<20)
	const work = 100 * time.Millisecond
	for now := cpu; now < cpu+work; {
		for i := range block {
			block[i]++
		}
		if now, err = CPU(pid); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := Busy(); err != nil || after-busy < work-2*tick {
		t.Errorf("the machine was busy for %s, %v; want about %s at least", after-busy, err, work)
	}
	after, err := ReadMemory(pid)
	if err != nil || after.Anon-memory.Anon < 60<<20 || after.RSS-memory.RSS < 60<<20 {
		t.Errorf("memory went from %+v to %+v, %v; want 64 MiB more", memory, after, err)
	}
	if block[0] == 0 {
		t.Error("no work was done")
	}
}

func TestNoProcess(t *testing.T) {
	const pid = 1 << 22 // the kernel stays below
	if d, err := CPU(pid); err == nil {
		t.Errorf("CPU of no process is %s", d)
	}
	if m, err := ReadMemory(pid); err == nil {
		t.Errorf("memory of no process is %+v", m)
	}
}
