package faults

import (
	"bytes"
	"context"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGoroutineLeakShowsItsCreator(t *testing.T) {
	leaked := func() int {
		var buf bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&buf, 2); err != nil {
			t.Fatal(err)
		}
		return strings.Count(buf.String(), "created by "+pkg+"(*goroutineLeak).notifyCustomer")
	}
	s := newTestSet(t)
	s.Request(t.Context())
	if n := leaked(); n != 0 {
		t.Fatalf("%d goroutines leaked while the fault is off", n)
	}

	switchOn(t, s, "goroutine-leak", 3)
	for range 20 {
		s.Request(t.Context())
	}
	if n := leaked(); n != 60 {
		t.Errorf("20 requests leaked %d goroutines, want 60", n)
	}
	// A goroutine that has not run yet is not in its function either.
	eventually(t, "the goroutine profile counts all of them", func() bool {
		return total(t, lookup(t, "goroutine"), "goroutine", "(*goroutineLeak).awaitReceipt") == 60
	})

	switchOff(t, s, "goroutine-leak")
	if n := s.List()[index(s, "goroutine-leak")].Held; n != 0 {
		t.Errorf("%d goroutines are held after the fault is off", n)
	}
	// The last instructions of a goroutine come after it has said that it is done.
	eventually(t, "the goroutines end", func() bool { return leaked() == 0 })
}

func TestGoroutineLeakIsBounded(t *testing.T) {
	s := newTestSet(t)
	switchOn(t, s, "goroutine-leak", 100)
	for range goroutineLeakCap/100 + 10 {
		s.Request(t.Context())
	}
	st := s.List()[index(s, "goroutine-leak")]
	if st.Held != goroutineLeakCap || st.Cap != goroutineLeakCap {
		t.Errorf("the leak holds %d goroutines of %d, want %d", st.Held, st.Cap, goroutineLeakCap)
	}
}

func TestHeapLeakShowsInTheHeapProfile(t *testing.T) {
	inUse := func() int64 {
		runtime.GC() // the profile is of the last collection but one
		runtime.GC()
		return total(t, lookup(t, "heap"), "inuse_space", "(*heapLeak).rememberVisit")
	}
	s := newTestSet(t)
	s.Request(t.Context())
	if n := inUse(); n != 0 {
		t.Fatalf("%d bytes leaked while the fault is off", n)
	}

	switchOn(t, s, "heap-leak", 4096)
	for range 10 {
		s.Request(t.Context())
	}
	if n := inUse(); n < 30<<20 || n > 50<<20 {
		t.Errorf("10 requests leaked %d MiB, want about 40", n>>20)
	}

	switchOff(t, s, "heap-leak")
	if n := inUse(); n != 0 {
		t.Errorf("%d bytes are held after the fault is off", n)
	}
}

func TestHeapLeakIsBounded(t *testing.T) {
	s := newTestSet(t)
	switchOn(t, s, "heap-leak", 4096)
	for range heapLeakCap/(4096<<10) + 10 {
		s.Request(t.Context())
	}
	if st := s.List()[index(s, "heap-leak")]; st.Held != heapLeakCap || st.Cap != heapLeakCap {
		t.Errorf("the leak holds %d bytes of %d, want %d", st.Held, st.Cap, heapLeakCap)
	}
}

func TestLockConvoyShowsInTheMutexProfile(t *testing.T) {
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	delay := func() int64 {
		return total(t, lookup(t, "mutex"), "delay", "(*lockConvoy).appendToJournal")
	}
	s := newTestSet(t)
	quiet := func(when string) {
		t.Helper()
		before := delay()
		requests(s, 8)
		if after := delay(); after != before {
			t.Errorf("%s: delay went from %d to %d ns", when, before, after)
		}
	}
	quiet("before the fault is on")

	switchOn(t, s, "lock-convoy", 2)
	before := delay()
	eventually(t, "requests wait for the lock", func() bool {
		requests(s, 8)
		return delay() > before
	})

	switchOff(t, s, "lock-convoy")
	quiet("after the fault is off")
}

func TestCPUBurnShowsInTheCPUProfile(t *testing.T) {
	s := newTestSet(t)
	burnt := func(requests int) int64 {
		var buf bytes.Buffer
		if err := pprof.StartCPUProfile(&buf); err != nil {
			t.Fatal(err)
		}
		for range requests {
			s.Request(t.Context())
		}
		pprof.StopCPUProfile()
		return total(t, parse(t, &buf), "cpu", "(*cpuBurn).verifyVoucher")
	}
	switchOn(t, s, "cpu-burn", 50)
	eventually(t, "the profile names the burner", func() bool { return burnt(4) > 0 })
	switchOff(t, s, "cpu-burn")
	if n := burnt(1000); n != 0 {
		t.Errorf("%d ns burnt after the fault is off", n)
	}
}

func TestCPUBurnLeavesProcessors(t *testing.T) {
	f := newCPUBurn()
	f.set(100)
	for range cap(f.slots) {
		f.slots <- struct{}{}
	}
	f.request(t.Context()) // would wait for ever if it queued for a slot
	if f.sum.Load() != 0 {
		t.Error("a request burnt although all slots were taken")
	}
}

func TestSlowDependency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSet(t)
		stall := func(ctx context.Context) time.Duration {
			start := time.Now()
			s.Stall(ctx)
			return time.Since(start)
		}
		if d := stall(t.Context()); d != 0 {
			t.Errorf("a query stalls for %v while the fault is off", d)
		}
		switchOn(t, s, "slow-dependency", 0)
		if d := stall(t.Context()); d != 250*time.Millisecond {
			t.Errorf("a query stalls for %v, want the default", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if d := stall(ctx); d != time.Millisecond {
			t.Errorf("a query stalls for %v, want until its context is done", d)
		}
		time.AfterFunc(10*time.Millisecond, func() { switchOff(t, s, "slow-dependency") })
		if d := stall(t.Context()); d != 10*time.Millisecond {
			t.Errorf("a query stalls for %v, want until the fault is off", d)
		}
	})
}

func TestAllocStormRaisesTheAllocationRate(t *testing.T) {
	s := newTestSet(t)
	allocated := func() uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			s.Request(t.Context())
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	switchOn(t, s, "alloc-storm", 1024)
	if n := allocated(); n < 10<<20 {
		t.Errorf("10 requests allocated %d bytes, want 10 MiB", n)
	}
	runtime.GC() // the profile is of the last collection but one
	runtime.GC()
	if n := total(t, lookup(t, "allocs"), "alloc_space", "(*allocStorm).renderInvoices"); n == 0 {
		t.Error("the allocation profile does not name the storm")
	}
	switchOff(t, s, "alloc-storm")
	if n := allocated(); n > 1<<20 {
		t.Errorf("10 requests allocated %d bytes after the fault is off", n)
	}
}

// requests serves n at a time and waits for all.
func requests(s *Set, n int) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { s.Request(context.Background()) })
	}
	wg.Wait()
}

func index(s *Set, name string) int {
	for i, st := range s.List() {
		if st.Name == name {
			return i
		}
	}
	panic("no fault " + name)
}

// eventually repeats an attempt, because when a profile takes its samples is up to chance.
func eventually(t *testing.T, what string, attempt func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if attempt() {
			return
		}
	}
	t.Fatalf("waited in vain until %s", what)
}
