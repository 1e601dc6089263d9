package spool

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOrderAcrossReopens(t *testing.T) {
	for _, max := range []int64{0, 64 << 10} { // one segment, and many
		dir := t.TempDir()
		rnd := rand.New(rand.NewPCG(1, uint64(max)))
		next, taken := 0, 0
		for range 40 {
			r := openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: max, Sync: SyncNever}}, realDisk())
			if got := r.Stats().Waiting.Records; got != int64(next-taken) {
				t.Fatalf("%d records wait, want %d", got, next-taken)
			}
			for range rnd.IntN(20) {
				r.put(next, rnd.IntN(1500))
				next++
			}
			for range rnd.IntN(21) {
				if taken == next {
					break
				}
				if got := r.take(); got != taken {
					t.Fatalf("took record %d, want %d\n%s", got, taken, r.out)
				}
				taken++
			}
			s := r.Stats()
			if w := s.Waiting; w.Weight != sumFrom(taken, next) || s.Oldest.IsZero() != (taken == next) {
				t.Fatalf("stats %+v with %d to %d waiting", s, taken, next)
			}
			if r.Stats().Dropped != [Reasons]Amount{} || r.Stats().TornBytes != 0 {
				t.Fatalf("stats %+v", r.Stats())
			}
			r.close()
		}
		if next == taken || taken < 100 {
			t.Fatal("the test is too weak")
		}
	}
}

func sumFrom(from, to int) (sum int64) {
	for _, n := range span(from, to) {
		sum += int64(n)
	}
	return sum
}

func TestPeekLeavesTheFront(t *testing.T) {
	r := openRig(t, Options{Dir: t.TempDir()}, realDisk())
	r.put(1, 10)
	r.put(2, 10)
	if a, b := r.look(), r.look(); a != 1 || b != 1 {
		t.Errorf("looked at %d, %d", a, b)
	}
	if got := r.drain(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("drained %v", got)
	}
	r.put(3, 10)
	r.look()
	r.Reject()
	r.wantDropped(Damaged, 1, 3)
	defer func() {
		if recover() == nil {
			t.Error("Advance without Peek")
		}
	}()
	r.Advance()
}

func TestFullDropsTheOldest(t *testing.T) {
	dir := t.TempDir()
	r := openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: 64 << 10}}, realDisk())
	for n := range 200 {
		r.put(n, 1000)
		if s := r.Stats(); s.DiskBytes > 64<<10 {
			t.Fatalf("%d bytes on disk", s.DiskBytes)
		}
	}
	left := int(r.Stats().Waiting.Records)
	if left < 50 || left > 63 {
		t.Errorf("%d records of 1000 bytes are left of 64 KiB", left)
	}
	first := 200 - left
	r.wantDropped(Size, int64(first), sumFrom(0, first))
	if got := r.drain(); !slices.Equal(got, span(first, 200)) {
		t.Errorf("left: %v", got)
	}
	r.put(7, 70_000) // never fits
	if got := r.Stats().Dropped[Size].Records; got != int64(first)+1 {
		t.Errorf("%d dropped", got)
	}
	// A smaller bound holds at the next start.
	for n := range 50 {
		r.put(n, 1000)
	}
	r.close()
	r = openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: 20 << 10}}, realDisk())
	if s := r.Stats(); s.DiskBytes > 20<<10 || s.Waiting.Records < 10 || s.Waiting.Records+s.Dropped[Size].Records != 50 {
		t.Errorf("stats %+v", s)
	}
}

// What the reader was given is never dropped under it, whether it is on disk or in memory.
func TestDropUnderTheReader(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		r := openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: 16 << 10}}, realDisk())
		for n := range 4 {
			r.put(n, 1000)
		}
		rec, _, _ := r.TryPeek()
		for n := range 40 {
			r.put(100+n, 1000)
		}
		if rec.Payload[0] != 0 || len(rec.Payload) != 1000 || !slices.Equal(rec.Payload, payload(0, 1000)) {
			t.Error("the payload changed before Advance")
		}
		if r.look() != 0 {
			t.Error("the front has changed before Advance")
		}
		before := r.Stats().Waiting.Records
		r.Advance()
		if s := r.Stats(); s.Waiting.Records != before-1 {
			t.Errorf("%d wait after Advance, %d before", s.Waiting.Records, before)
		}
		got := r.drain()
		if !slices.Equal(got, span(got[0], 140)) || got[0] < 120 {
			t.Errorf("left %v", got)
		}
		if d := r.Stats().Dropped[Size]; d.Records+int64(len(got)) != 43 {
			t.Errorf("dropped %+v, left %d", d, len(got))
		}
	}
}

func TestAge(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		synctest.Test(t, func(t *testing.T) {
			r := openRig(t, Options{Dir: dir, Limits: Limits{MaxAge: time.Hour, MaxBytes: 1 << 20}}, realDisk())
			for n := range 120 {
				r.put(n, 1000)
				time.Sleep(time.Minute)
			}
			if s := r.Stats(); time.Since(s.Oldest) > 61*time.Minute && dir == "" {
				t.Errorf("oldest is %v old", time.Since(s.Oldest))
			}
			got := r.drain()
			if !slices.Equal(got, span(60, 120)) {
				t.Errorf("left %v", got)
			}
			r.wantDropped(Age, 60, sumFrom(0, 60))
			r.put(1, 10)
			if r.look() != 1 {
				t.Error("nothing there")
			}
			time.Sleep(2 * time.Hour)
			r.put(2, 10) // expires what is peeked, but for the reader
			r.Advance()
			r.wantDropped(Age, 60, sumFrom(0, 60))
			if got := r.drain(); !slices.Equal(got, []int{2}) {
				t.Errorf("left %v", got)
			}
			r.close()
		})
	}
}

func TestLockNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	r := openRig(t, Options{Dir: dir}, realDisk())
	_, err := Open(Options{Dir: dir})
	want := "spool " + dir + " is in use by another process (pid " + strconv.Itoa(os.Getpid()) + ")"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if !InUse(dir) {
		t.Error("InUse says no")
	}
	r.close()
	if InUse(dir) {
		t.Error("InUse says yes")
	}
	again, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestClosed(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		r := openRig(t, Options{Dir: dir}, realDisk())
		errs := make(chan error, 2)
		go func() { _, err := r.Peek(context.Background()); errs <- err }()
		r.close()
		if err := <-errs; !errors.Is(err, ErrClosed) {
			t.Errorf("Peek: %v", err)
		}
		if err := r.Append(0, 0, 0, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("Append: %v", err)
		}
		if err := r.Drained(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Drained: %v", err)
		}
	}
}

func TestWaits(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		synctest.Test(t, func(t *testing.T) {
			r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := r.Peek(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Peek: %v", err)
			}
			if err := r.Drained(t.Context()); err != nil {
				t.Errorf("Drained: %v", err)
			}
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				for range 2 {
					if _, err := r.Peek(t.Context()); err != nil {
						t.Errorf("Peek: %v", err)
						return
					}
					r.Advance()
				}
			})
			synctest.Wait()
			r.put(1, 10)
			synctest.Wait()
			r.put(2, 10)
			synctest.Wait()
			r.put(3, 10)
			ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := r.Drained(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Drained: %v", err)
			}
			wg.Go(func() {
				if err := r.Drained(t.Context()); err != nil {
					t.Errorf("Drained: %v", err)
				}
			})
			synctest.Wait()
			r.drain()
			wg.Wait()
			r.close()
		})
	}
}

// Many append, one reads, and the bound is low: each record comes once and in the order of
// its writer, or was dropped and counted.
func TestConcurrentUse(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		r := openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: 256 << 10, Sync: time.Millisecond}}, realDisk())
		stop := r.run()
		const writers, each = 4, 2000
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					r.put(w*each+i, 500+i%700)
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { wg.Wait(); cancel() }()
		last, seen := [writers]int{-1, -1, -1, -1}, 0
		for {
			_, err := r.Peek(ctx)
			if err != nil {
				break
			}
			n := r.look()
			r.Advance()
			seen++
			w := n / each
			if n <= last[w] && n > 0 {
				t.Fatalf("%d after %d", n, last[w])
			}
			last[w] = n
		}
		seen += len(r.drain())
		s := r.Stats()
		if int64(seen)+s.Dropped[Size].Records != writers*each || s.Waiting != (Amount{}) || s.Dropped[Damaged].Records > 0 {
			t.Errorf("%d seen, %+v", seen, s)
		}
		stop()
	}
}

func TestNothingIsAllocated(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		r := openRig(t, Options{Dir: dir, Limits: Limits{Sync: SyncNever}}, realDisk())
		head, body := make([]byte, 24), make([]byte, 10_000)
		once := func() {
			if err := r.Append(1, 1, 1, head, body); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Peek(context.Background()); err != nil {
				t.Fatal(err)
			}
			r.Advance()
			_ = r.Stats()
		}
		once()
		if n := testing.AllocsPerRun(500, once); n > 0 {
			t.Errorf("dir %q: %v allocations", dir, n)
		}
	}
}

func TestSetLimitsAndFree(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		r := openRig(t, Options{Dir: dir, Limits: Limits{MaxBytes: 128 << 10}}, realDisk())
		for n := range 100 {
			r.put(n, 1000)
		}
		r.SetLimits(Limits{MaxBytes: 64 << 10})
		s := r.Stats()
		if s.DiskBytes > 64<<10 || s.Waiting.Bytes > 64<<10 || s.Waiting.Records < 40 {
			t.Errorf("stats %+v", s)
		}
		if n := r.look(); int64(n) != 100-s.Waiting.Records {
			t.Errorf("the front is %d", n)
		}
		front := r.look()
		before := s.Waiting.Records
		r.Free(10<<10, Size)
		s = r.Stats()
		if freed := before - s.Waiting.Records; freed < 8 || freed > 20 {
			t.Errorf("%d records freed", freed)
		}
		r.Free(1<<30, Size)
		if got := r.drain(); !slices.Equal(got, []int{front}) {
			t.Errorf("left %v, want what was looked at", got)
		}
		r.put(5, 10)
		if got := r.drain(); !slices.Equal(got, []int{5}) {
			t.Errorf("then %v", got)
		}
		r.wantDropped(Size, 99, sumFrom(0, 100)-int64(front))
	}
}
