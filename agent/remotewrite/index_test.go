package remotewrite

import (
	"math/rand/v2"
	"testing"
)

// TestIndex holds an index against a map. Few hashes make many meet in one place.
func TestIndex(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, hashes := range []uint32{5, 200, 5000, 1 << 31} {
		var (
			x    index
			want = make(map[uint32]int)
			all  []uint32
		)
		for step := range 20_000 {
			h := 1 + rnd.Uint32N(hashes)*64
			if x.has(h) != (want[h] > 0) {
				t.Fatalf("of %d hashes, step %d: has(%d) = %v", hashes, step, h, x.has(h))
			}
			if len(all) > 0 && (rnd.IntN(5) < 2 || step > 15_000) {
				i := rnd.IntN(len(all))
				h = all[i]
				all[i] = all[len(all)-1]
				all = all[:len(all)-1]
				want[h]--
				if got := x.remove(h); got != (want[h] > 0) {
					t.Fatalf("of %d hashes, step %d: remove(%d) = %v", hashes, step, h, got)
				}
				continue
			}
			all = append(all, h)
			want[h]++
			if got := x.add(h); got != (want[h] > 1) {
				t.Fatalf("of %d hashes, step %d: add(%d) = %v", hashes, step, h, got)
			}
		}
		distinct := 0
		for h, n := range want {
			if n > 0 {
				distinct++
			}
			if x.has(h) != (n > 0) {
				t.Errorf("of %d hashes: has(%d) = %v at the end", hashes, h, x.has(h))
			}
		}
		if x.n != distinct {
			t.Errorf("of %d hashes: %d are counted, want %d", hashes, x.n, distinct)
		}
	}
}
