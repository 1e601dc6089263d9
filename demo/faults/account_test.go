package faults

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
)

var (
	epoch = time.Unix(1_000_000, 0)
	small = shape{values: 4}
)

func key(target, name, labelName, label string) string {
	var k keyMaker
	_ = k.add("__name__", name)
	if labelName != "" {
		_ = k.add(labelName, label)
	}
	_ = k.add("target", target)
	s, _ := k.key()
	return s
}

// bodySamples is what the receiver gets of body n at a time.
func bodySamples(target string, s shape, n int, ms int64) []sample {
	var out []sample
	s.each(n, func(name, labelName, label string, v float64) {
		out = append(out, sample{key: key(target, name, labelName, label), timeMs: ms, bits: math.Float64bits(v)})
	})
	return out
}

func at(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

// threeBodies is a log of bodies 1, 2 and 3, served at 0, 100 and 200 ms in life 1.
func threeBodies() []Served {
	var log []Served
	for i := range 3 {
		log = append(log, Served{N: i + 1, Life: 1, Began: at(100 * i), Ended: at(100*i + 1)})
	}
	return log
}

func TestLedger(t *testing.T) {
	const late = 1000 // the end of the life, in ms
	stored := func(n int) []sample { return bodySamples("t", small, n, int64(n)*100) }
	for _, tt := range []struct {
		name  string
		end   int
		lived int
		in    [][]sample
		want  ledger
	}{
		{"all", late, late, [][]sample{stored(1), stored(2), stored(3)}, ledger{served: 3, owed: 3, arrived: 3}},
		{"one lost", late, late, [][]sample{stored(1), stored(3)}, ledger{served: 3, owed: 3, arrived: 2, lost: violations{n: 1}}},
		{"nothing stored", late, late, nil, ledger{served: 3, owed: 3, lost: violations{n: 3}}},
		{"just before the kill", 290, 290, [][]sample{stored(1), stored(2)}, ledger{served: 3, owed: 2, arrived: 2}},
		{"just before the kill, stored", 290, 290, [][]sample{stored(1), stored(2), stored(3)}, ledger{served: 3, owed: 2, arrived: 2, bonus: 1}},
		{"a series of one is missing", late, late, [][]sample{stored(1), stored(2)[:5], stored(3)}, ledger{served: 3, owed: 3, arrived: 2, lost: violations{n: 1}, torn: violations{n: 1}}},
		{"the number of one is missing", late, late, [][]sample{stored(1), stored(2)[1:], stored(3)}, ledger{served: 3, owed: 3, arrived: 2, lost: violations{n: 1}, torn: violations{n: 1}}},
		{"a value of another body", late, late, [][]sample{stored(1), append(stored(2)[:1], bodySamples("t", small, 3, 200)[1:]...), stored(3)},
			ledger{served: 3, owed: 3, arrived: 2, lost: violations{n: 1}, torn: violations{n: 1}}},
		{"one under two times", late, late, [][]sample{stored(1), stored(2), stored(3), bodySamples("t", small, 3, 301)},
			ledger{served: 3, owed: 3, arrived: 3, twice: violations{n: 1}}},
		{"one never served", late, late, [][]sample{stored(1), stored(2), stored(3), stored(4)}, ledger{served: 3, owed: 3, arrived: 3, unknown: violations{n: 1}}},
		{"of another target", late, late, [][]sample{stored(1), bodySamples("u", small, 2, 200), stored(3)}, ledger{served: 3, owed: 3, arrived: 2, lost: violations{n: 1}}},
		{"repeated", late, late, [][]sample{stored(1), stored(2), stored(2), stored(3)}, ledger{served: 3, owed: 3, arrived: 3}},
		{"markers of the series that went", late, late, [][]sample{stored(1), stored(2), stored(3), {
			{key: key("t", seriesBody, "", ""), timeMs: 400, bits: value.StaleNaN},
			{key: key("t", seriesValue, "i", "0"), timeMs: 400, bits: value.StaleNaN},
			{key: key("t", seriesChurn, "gen", "0"), timeMs: 450, bits: value.StaleNaN},
		}}, ledger{served: 3, owed: 3, arrived: 3}},
		{"no time since the second", late, 120, [][]sample{stored(1)}, ledger{served: 3, owed: 1, arrived: 1, starved: 2}},
		{"no time since the second, stored", late, 120, [][]sample{stored(1), stored(2)}, ledger{served: 3, owed: 1, arrived: 1, starved: 1, bonus: 1}},
		{"one reported as failed", late, late, [][]sample{stored(1), {{key: key("t", "up", "", ""), timeMs: at(99).UnixMilli()}}, stored(3)}, ledger{served: 3, owed: 2, arrived: 2, failed: 1}},
		{"one of two reported as failed", late, late, [][]sample{stored(1), {{key: key("t", "up", "", ""), timeMs: at(99).UnixMilli()}}}, ledger{served: 3, owed: 2, arrived: 1, failed: 1, lost: violations{n: 1}}},
		{"failed long before", late, late, [][]sample{stored(1), {{key: key("t", "up", "", ""), timeMs: at(-5000).UnixMilli()}}, stored(3)}, ledger{served: 3, owed: 3, arrived: 2, lost: violations{n: 1}}},
		{"another target failed", late, late, [][]sample{stored(1), {{key: key("u", "up", "", ""), timeMs: at(99).UnixMilli()}}, stored(3)}, ledger{served: 3, owed: 3, arrived: 2, lost: violations{n: 1}}},
		{"time just long enough", late, 252, [][]sample{stored(1), stored(2)}, ledger{served: 3, owed: 3, arrived: 2, lost: violations{n: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBook()
			for i, s := range tt.in {
				b.store(at(i), s)
			}
			var got ledger
			got.add("t", small, threeBodies(), 4, b, map[int]end{1: {at(tt.end), at(tt.lived)}})
			for _, c := range []struct {
				what      string
				got, want int
			}{
				{"served", got.served, tt.want.served}, {"owed", got.owed, tt.want.owed}, {"arrived", got.arrived, tt.want.arrived},
				{"bonus", got.bonus, tt.want.bonus}, {"starved", got.starved, tt.want.starved}, {"failed", got.failed, tt.want.failed}, {"lost", got.lost.n, tt.want.lost.n}, {"torn", got.torn.n, tt.want.torn.n},
				{"twice", got.twice.n, tt.want.twice.n}, {"unknown", got.unknown.n, tt.want.unknown.n},
			} {
				if c.got != c.want {
					t.Errorf("%s: %d, want %d (%+v)", c.what, c.got, c.want, got)
				}
			}
			if len(got.lostList) != got.lost.n || got.lost.n > 0 && len(got.lost.first) == 0 {
				t.Errorf("%d lost, but %v and %v are named", got.lost.n, got.lostList, got.lost.first)
			}
		})
	}
}

func TestBook(t *testing.T) {
	one, two := bodySamples("t", small, 1, 100), bodySamples("t", small, 2, 200)
	changed := append([]sample(nil), one...)
	changed[3].bits++
	for _, tt := range []struct {
		name                               string
		in                                 [][]sample
		samples, again, repeats, chg, disd int
	}{
		{"once each", [][]sample{one, two}, 12, 0, 0, 0, 0},
		{"a whole request again", [][]sample{one, two, two}, 12, 6, 1, 0, 0},
		{"an older request again is no disorder", [][]sample{one, two, one}, 12, 6, 1, 0, 0},
		{"again in two parts is one request", [][]sample{one, one[:3], one[3:]}, 6, 6, 1, 0, 0},
		{"two requests again in one", [][]sample{one, two, append(append([]sample(nil), one...), two...)}, 12, 12, 2, 0, 0},
		{"again and again", [][]sample{one, one, one}, 6, 12, 2, 0, 0},
		{"another value", [][]sample{one, changed}, 6, 5, 1, 1, 0},
		{"the older after the newer", [][]sample{two, one}, 12, 0, 0, 0, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBook()
			for i, s := range tt.in {
				b.store(at(i), s)
			}
			got := [5]int{b.samples, b.again, len(b.repeats), b.changed.n, b.disorder.n}
			if want := [5]int{tt.samples, tt.again, tt.repeats, tt.chg, tt.disd}; got != want {
				t.Errorf("samples, again, repeats, changed, disorder: %v, want %v", got, want)
			}
		})
	}
}

func TestUnexcused(t *testing.T) {
	rep := func(first, again int) repeat { return repeat{at(first), at(again)} }
	kill := func(ms, requests int) event { return event{at(ms), requests, eventSidecar} }
	for _, tt := range []struct {
		name    string
		repeats []repeat
		events  []event
		want    int
	}{
		{"none", nil, nil, 0},
		{"no event", []repeat{rep(0, 10)}, nil, 1},
		{"its event", []repeat{rep(0, 10)}, []event{kill(5, 1)}, 0},
		{"two for one event", []repeat{rep(0, 10), rep(1, 11)}, []event{kill(5, 1)}, 1},
		{"two for an event of two shards", []repeat{rep(0, 10), rep(1, 11)}, []event{kill(5, 2)}, 0},
		{"the event came later", []repeat{rep(0, 10)}, []event{kill(11, 1)}, 1},
		{"the event was long before", []repeat{rep(2000, 2010)}, []event{kill(1000, 1)}, 1},
		{"read late out of the kernel", []repeat{rep(2000, 2010)}, []event{kill(1900, 1)}, 0},
		{"the narrow one needs the early event", []repeat{rep(0, 5000), rep(0, 100)}, []event{kill(50, 1), kill(4000, 1)}, 0},
		{"again and again", []repeat{rep(0, 1000), rep(1000, 2000), rep(2000, 3000)}, []event{kill(900, 1), kill(1900, 1), kill(2900, 1)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := unexcused(tt.repeats, tt.events); len(got) != tt.want {
				t.Errorf("%d are left over, want %d: %v", len(got), tt.want, got)
			}
		})
	}
}
