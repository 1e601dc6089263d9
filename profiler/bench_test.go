package profiler

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"outrider/telemetry"
)

// A memory profile of a middling service: 2,000 stacks of 25 frames, a tenth of which
// changed since the capture before.
func BenchmarkMemoryDelta(b *testing.B) {
	s := lookup("memory")
	rnd := rand.New(rand.NewPCG(1, 1))
	before, after := stacks{}, stacks{}
	for i := range 2000 {
		stack := fmt.Sprintf("main%d", i)
		for range 24 {
			stack += fmt.Sprintf(";f%d", rnd.IntN(3000))
		}
		n := rnd.Int64N(1 << 30)
		before[stack] = []int64{n, 64 * n, 10, 640}
		if i%10 == 0 {
			n += 100
		}
		after[stack] = []int64{n, 64 * n, 10, 640}
	}
	data, _ := encode(makeProfile(s.sampleTypes, before))
	prev := &past{evidence{taken: at(0)}, data}
	body, _ := encode(makeProfile(s.sampleTypes, after))
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		d, err := decode(body, s.sampleTypes)
		if err != nil {
			b.Fatal(err)
		}
		ship := prepare(s, &telemetry.Target{}, prev, &captured{d, at(60), at(60)}, at(-60), at(-30))
		if ship.verdict != sendDelta {
			b.Fatal(ship.verdict)
		}
	}
}
