package remotewrite

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

func (te *testEncoder) shape(s *telemetry.Scrape) *shape {
	return &te.enc.cache(s.Target, time.Now()).shape
}

// blocksOf makes sets of n series in blocks of 100 that are named by generation: one block of
// another generation makes another block.
func blocksOf(syms *telemetry.Symbols, made map[string]*telemetry.Block, generations ...int) *telemetry.SeriesSet {
	var blocks []*telemetry.Block
	for i, g := range generations {
		key := fmt.Sprint(i, "-", g)
		if made[key] == nil {
			coded := make([]telemetry.Coded, 100)
			for j := range coded {
				coded[j] = syms.Encode(labels.FromStrings("__name__", "requests_total", "id", fmt.Sprint(key, "-", j)))
			}
			made[key] = telemetry.NewBlock(syms, coded, make([]*telemetry.Metadata, 100))
		}
		blocks = append(blocks, made[key])
	}
	return telemetry.JoinBlocks(blocks)
}

func TestEncodeAllocatesNothing(t *testing.T) {
	for _, m := range bothMessages {
		te := newTestEncoder(t, m, labels.FromStrings("cluster", "prod"))
		s := scrapeOf(target("a:1"), serviceSets(1, 3000, 0, false)[0], t0)
		n, put := 0, func(r record) {}
		encode := func() {
			s.TimeMs += 1000
			s.Values[n%len(s.Values)]++
			n++
			te.enc.encode(s, te.m, te.lim, put)
		}
		encode()
		if got := testing.AllocsPerRun(100, encode); got > 0 {
			t.Errorf("%s: %v allocations a scrape", m, got)
		}
	}
}

// TestOnlyNewBlocksAreCompiled counts pages that were made.
func TestOnlyNewBlocksAreCompiled(t *testing.T) {
	syms, made := telemetry.NewSymbols(), map[string]*telemetry.Block{}
	for _, m := range bothMessages {
		te := newTestEncoder(t, m, labels.EmptyLabels())
		s := scrapeOf(target("a:1"), blocksOf(syms, made, 0, 0, 0, 0), t0)
		te.encode(s)
		first := append([]*page(nil), te.shape(s).pages...)
		s = scrapeOf(s.Target, blocksOf(syms, made, 0, 1, 0, 0, 0), t0+1000)
		te.encode(s)
		next := te.shape(s).pages
		if len(first) != 4 || len(next) != 5 {
			t.Fatalf("%s: %d and %d pages", m, len(first), len(next))
		}
		for i, p := range next {
			if kept := i < 4 && p == first[i]; kept != (i != 1 && i != 4) {
				t.Errorf("%s: page %d: kept %v", m, i, kept)
			}
		}
	}
}

// TestGroupsFollowTheLimits has a set grow and shrink.
func TestGroupsFollowTheLimits(t *testing.T) {
	syms, made := telemetry.NewSymbols(), map[string]*telemetry.Block{}
	for _, m := range bothMessages {
		te := newTestEncoder(t, m, labels.EmptyLabels())
		te.lim.samples = 1000
		blocks := func(n int) []int { return make([]int, n) }
		for i, step := range []struct{ blocks, groups int }{
			{10, 1}, {11, 2}, {9, 2}, {7, 1}, {10, 1}, {30, 3}, {31, 4}, {25, 4}, {22, 3}, {0, 0}, {1, 1},
		} {
			s := scrapeOf(target("a:1"), blocksOf(syms, made, blocks(step.blocks)...), t0+int64(i)*1000)
			rs, _ := te.records(s)
			if len(rs) != step.groups {
				t.Errorf("%s: %d series after step %d in %d requests, want %d", m, s.Series.Len(), i, len(rs), step.groups)
			}
			for _, r := range rs {
				if r.counts.samples() > te.lim.samples {
					t.Errorf("%s: a request of %d samples", m, r.counts.samples())
				}
				checkRecord(t, r, parseRequest(t, r.message.contentType(), r.data))
			}
		}
	}
}

// TestSymbolsAreSweptOut has all series replaced many times over.
func TestSymbolsAreSweptOut(t *testing.T) {
	syms, made := telemetry.NewSymbols(), map[string]*telemetry.Block{}
	te := newTestEncoder(t, v2, labels.EmptyLabels())
	most := 0
	for i := range 60 {
		generations := make([]int, 10)
		for j := range generations {
			generations[j] = (i + j) / 10 // one block of ten is new
		}
		s := scrapeOf(target("a:1"), blocksOf(syms, made, generations...), t0+int64(i)*1000)
		te.encode(s)
		g := te.shape(s).groups[0]
		if g.pending() > 0 || len(g.table) == 0 {
			t.Fatal("symbols are not in the table")
		}
		most = max(most, int(g.syms.next))
	}
	// 1000 are in use at a time, and half as many leave before anyone looks.
	if most < 1500 || most > 2500 {
		t.Errorf("%d symbols at most for 1000 in use", most)
	}
}

// TestShapeMemory bounds what a target of 50,000 series keeps.
func TestShapeMemory(t *testing.T) {
	const n = 50_000
	set := serviceSets(1, n, 0, false)[0]
	for m, atMost := range map[message]float64{v1: 45, v2: 40} {
		te := newTestEncoder(t, m, labels.FromStrings("cluster", "prod"))
		s := scrapeOf(target("a:1"), set, t0)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		te.enc.encode(s, te.m, te.lim, func(record) {})
		te.enc.worker = worker{}
		runtime.GC()
		runtime.ReadMemStats(&after)
		got := float64(after.HeapAlloc-before.HeapAlloc) / n
		t.Logf("%s: %.1f bytes a series", m, got)
		if got > atMost {
			t.Errorf("%s: %.1f bytes a series, want %.0f at most", m, got, atMost)
		}
		runtime.KeepAlive(te)
	}
}
