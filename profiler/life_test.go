package profiler

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outrider/telemetry"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func TestJudge(t *testing.T) {
	watched := at(100)
	prev := func(e evidence) *evidence { return &e }
	for _, tt := range []struct {
		name string
		prev *evidence
		cur  evidence
		want verdict
	}{
		{"first, start unknown", nil, evidence{taken: at(110)}, sendSnapshot},
		{"first, of a life older than our watch", nil, evidence{taken: at(110), start: at(50)}, sendSnapshot},
		{"first, of a life that began while we watched", nil, evidence{taken: at(110), start: at(105)}, sendWhole},
		{"same life", prev(evidence{taken: at(110), start: at(50)}), evidence{taken: at(120), start: at(50)}, sendDelta},
		{"start still unknown", prev(evidence{taken: at(110)}), evidence{taken: at(120)}, sendDelta},
		{"start becomes known, same life", prev(evidence{taken: at(110)}), evidence{taken: at(120), start: at(109)}, sendDelta},
		{"start moves with the clock", prev(evidence{taken: at(110), start: at(50)}), evidence{taken: at(120), start: at(53)}, sendDelta},
		{"restart", prev(evidence{taken: at(110), start: at(50)}), evidence{taken: at(120), start: at(115)}, sendWhole},
		{"restart, start was unknown", prev(evidence{taken: at(110)}), evidence{taken: at(120), start: at(115)}, sendWhole},
		{"another build", prev(evidence{taken: at(110), build: "a"}), evidence{taken: at(120), build: "b"}, sendWhole},
		{"build becomes unknown", prev(evidence{taken: at(110), build: "a"}), evidence{taken: at(120)}, sendDelta},
		{
			"the baseline turns out to be of a life we watched",
			prev(evidence{taken: at(110), unsent: watched}), evidence{taken: at(120), start: at(105)}, sendWhole,
		},
		{
			"the baseline turns out to be of an older life",
			prev(evidence{taken: at(110), unsent: watched}), evidence{taken: at(120), start: at(50)}, sendDelta,
		},
	} {
		if got := judge(tt.prev, tt.cur, watched); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// history plays a service that is restarted now and then, and a sidecar that captures it.
type history struct {
	t       *testing.T
	rnd     *rand.Rand
	watched time.Time
	spec    *spec
	start   time.Time // of the present life
	known   func(now time.Time) time.Time
	values  stacks

	prev *past
	sent stacks // sums of what was sent
}

func (h *history) grow() {
	for range 1 + h.rnd.IntN(4) {
		stack := fmt.Sprintf("main;f%d|k=%d", h.rnd.IntN(6), h.rnd.IntN(2))
		if h.values[stack] == nil {
			h.values[stack] = []int64{0, 0}
		}
		h.values[stack][0] += h.rnd.Int64N(1000)
		h.values[stack][1] += h.rnd.Int64N(1 << 40)
	}
}

func (h *history) restart(now time.Time) {
	h.start, h.values = now, stacks{}
	h.grow()
}

func (h *history) capture(now time.Time) *shipment {
	p := makeProfile(h.spec.sampleTypes, h.values)
	p.Mapping[0].BuildID = "" // as if the build stayed the same
	data, size := encode(p)
	d := &decoded{profile: p, data: data, size: size}
	ship := prepare(h.spec, &telemetry.Target{}, h.prev, &captured{d, now, now}, h.known(now), h.watched)
	if ship.profile != nil {
		for stack, values := range readStacks(mustParse(h.t, ship.profile.Data)) {
			add(h.sent, stack, values)
		}
	}
	h.prev = ship.next
	return ship
}

func add(sum stacks, stack string, values []int64) {
	if sum[stack] == nil {
		sum[stack] = make([]int64, len(values))
	}
	for i, v := range values {
		if v < 0 {
			panic("a negative value was sent")
		}
		sum[stack][i] += v
	}
}

func dropZeros(ss stacks) stacks {
	out := stacks{}
	for stack, values := range ss {
		for _, v := range values {
			if v != 0 {
				out[stack] = values
			}
		}
	}
	return out
}

// What is sent adds up: for each life, the last capture less the baseline, which is zero for
// a life that began while we watched.
func TestSentDeltasAddUp(t *testing.T) {
	for name, knowledge := range map[string]func(h *history, now time.Time) time.Time{
		"start always known": func(h *history, _ time.Time) time.Time { return h.start },
		"start never known":  func(*history, time.Time) time.Time { return time.Time{} },
		// The start comes from scrapes, which may be older than the capture.
		"start known late": nil,
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(25) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				h := &history{t: t, rnd: rnd, spec: lookup("mutex"), watched: at(0), sent: stacks{}, values: stacks{}}
				lastKnown := time.Time{}
				h.known = func(now time.Time) time.Time {
					if knowledge != nil {
						return knowledge(h, now)
					}
					if now.Sub(h.start) > 15*time.Second || lastKnown.IsZero() {
						lastKnown = h.start
					}
					return lastKnown
				}
				want := stacks{}
				h.restart(at(-1000)) // before our watch
				for range 20 {
					h.grow()
				}
				now, baseline := 10, clone(h.values)
				for life := range 1 + rnd.IntN(5) {
					if life > 0 {
						h.restart(at(now - 1 - rnd.IntN(9)))
						baseline = stacks{}
					}
					for range 2 + rnd.IntN(5) {
						h.capture(at(now))
						if life == 0 && h.prev.unsent.Equal(h.watched) {
							baseline = clone(h.values)
						}
						now += 60
						h.grow()
					}
					h.capture(at(now))
					for stack, values := range h.values {
						base := baseline[stack]
						if base == nil {
							base = []int64{0, 0}
						}
						add(want, stack, []int64{values[0] - base[0], values[1] - base[1]})
					}
					now += 10 + rnd.IntN(50)
				}
				if diff := cmp.Diff(dropZeros(want), h.sent); diff != "" {
					t.Fatalf("seed %d: sums (-want +got):\n%s", seed, diff)
				}
			}
		})
	}
}

func clone(ss stacks) stacks {
	out := stacks{}
	for k, v := range ss {
		out[k] = append([]int64(nil), v...)
	}
	return out
}

// A service may change the rate of its mutex profile. Values then fall though it lives on.
func TestValuesThatFallWithinOneLife(t *testing.T) {
	h := &history{t: t, spec: lookup("mutex"), watched: at(0), sent: stacks{}, start: at(5)}
	h.known = func(time.Time) time.Time { return h.start }
	for i, step := range []struct {
		value int64
		want  verdict
		sum   int64
	}{
		{1000, sendWhole, 1000},
		{1500, sendDelta, 1500},
		{150, sendSnapshot, 1500}, // a tenth of the rate
		{160, sendDelta, 1510},
	} {
		h.values = stacks{"main;f": {step.value, 1}}
		ship := h.capture(at(10 + 60*i))
		if ship.verdict != step.want || h.sent["main;f"][0] != step.sum {
			t.Errorf("capture %d: %s, sum %d; want %s, %d", i, ship.verdict, h.sent["main;f"][0], step.want, step.sum)
		}
	}
}
