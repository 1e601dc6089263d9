package footprint

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestKeeper(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		name string
		held func(time.Duration, int) uint64 // after a time, and how often memory was given back
		want []int                           // when memory is given back, in seconds
	}{
		{"no change", func(time.Duration, int) uint64 { return 10 * mib }, []int{10, 70, 190, 430}},
		{"much at the start", func(_ time.Duration, n int) uint64 { return uint64(30-min(n, 1)*20) * mib }, []int{10, 40, 100, 220, 460}},
		{"growth at once", func(d time.Duration, n int) uint64 {
			if d >= 100*time.Second && n < 3 {
				return 20 * mib
			}
			return 10 * mib
		}, []int{10, 70, 100, 130, 190, 310}},
		{"garbage all the time", func(d time.Duration, n int) uint64 { return uint64(10+int(d.Seconds())%30) * mib }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var got []int
				k := &Keeper{wait: soon}
				k.held = func() uint64 { return tc.held(time.Since(start), len(got)) }
				k.free = func() { got = append(got, int(time.Since(start).Seconds())) }
				ctx, cancel := context.WithTimeout(t.Context(), 465*time.Second)
				defer cancel()
				if err := k.Run(ctx); err != nil {
					t.Fatal(err)
				}
				if tc.want != nil && !slices.Equal(got, tc.want) {
					t.Errorf("gave back after %v seconds, want %v", got, tc.want)
				}
				for i := 1; i < len(got); i++ {
					if got[i]-got[i-1] < 30 {
						t.Errorf("gave back after %v seconds: too often", got)
					}
				}
			})
		})
	}
}

// TestReader lets go of memory.
func TestReader(t *testing.T) {
	big := make([]byte, 64<<20)
	for i := range big {
		big[i] = 1
	}
	k := New()
	with := k.held()
	runtime.KeepAlive(big)
	if with < 64<<20 {
		t.Fatalf("%d bytes with 64 MiB in use", with)
	}
	k.look() // the first time whatever is there
	if after := k.held(); after > with-60<<20 {
		t.Errorf("%d bytes after giving back, %d before", after, with)
	}
}

func TestSetDefaults(t *testing.T) {
	wasPercent, wasProcs := debug.SetGCPercent(77), runtime.GOMAXPROCS(3)
	defer func() {
		debug.SetGCPercent(wasPercent)
		runtime.GOMAXPROCS(wasProcs)
	}()
	SetDefaults(func(name string) string { return map[string]string{"GOGC": "77", "GOMAXPROCS": "3"}[name] })
	if got, procs := debug.SetGCPercent(77), runtime.GOMAXPROCS(0); got != 77 || procs != 3 {
		t.Errorf("%d %%, %d cores, in place of what the environment says", got, procs)
	}
	SetDefaults(func(string) string { return "" })
	if got, procs := debug.SetGCPercent(77), runtime.GOMAXPROCS(0); got != GCPercent || procs != Procs {
		t.Errorf("%d %%, %d cores, want %d and %d", got, procs, GCPercent, Procs)
	}
}
