package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outrider/agent/spool"
)

// numbered makes a record of n samples that takes about 1000 bytes of a queue.
func numbered(n int) record {
	return record{message: v1, data: make([]byte, 940), counts: counts{series: 1, floats: n}, minMs: int64(n), maxMs: int64(n), queued: time.Unix(int64(n), 0)}
}

func memoryQueue(t *testing.T, bytes int64) *queue {
	t.Helper()
	return newQueue(memoryLog(t, bytes), nil, slog.New(slog.DiscardHandler))
}

func memoryLog(t *testing.T, bytes int64) *spool.Log {
	t.Helper()
	l, err := spool.Open(spool.Options{Limits: spool.Limits{MaxBytes: bytes}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func put(t *testing.T, q *queue, ns ...int) {
	t.Helper()
	for _, n := range ns {
		if err := q.Append(numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func front(t *testing.T, q *queue) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := q.Peek(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return int(r.minMs)
}

func drain(t *testing.T, q *queue) (ns []int) {
	t.Helper()
	for q.Stats().records > 0 {
		ns = append(ns, front(t, q))
		q.Replace()
	}
	return ns
}

func TestHeadRoundTrip(t *testing.T) {
	for _, r := range []record{
		{message: v1, data: []byte("x"), counts: counts{series: 1}, queued: time.UnixMilli(0)},
		{message: v2, data: []byte{}, counts: counts{10_000, 9_000, 300, 40}, minMs: t0, maxMs: t0 + 5, target: 1<<64 - 1, queued: time.UnixMilli(t0)},
		{message: v2, data: []byte("abc"), counts: counts{1, 1, 0, 0}, minMs: -5, maxMs: 1 << 60, target: 7, queued: time.UnixMilli(-1)},
	} {
		head := r.appendHead(nil)
		if len(head) > maxHead {
			t.Errorf("head of %d bytes", len(head))
		}
		raw := spool.Record{Kind: byte(r.message), TimeMs: r.queued.UnixMilli(), Weight: uint32(r.counts.samples()), Payload: append(head, r.data...)}
		got, err := readRecord(raw)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v became %+v, %v", r, got, err)
		}
		for cut := range head {
			raw.Payload = head[:cut]
			if _, err := readRecord(raw); !errors.Is(err, errHead) {
				t.Errorf("cut at %d: %v", cut, err)
			}
		}
		raw.Payload, raw.Weight = head, raw.Weight+1
		if _, err := readRecord(raw); !errors.Is(err, errHead) {
			t.Errorf("another weight: %v", err)
		}
		raw.Kind, raw.Weight = 3, raw.Weight-1
		if _, err := readRecord(raw); !errors.Is(err, errHead) {
			t.Errorf("another message: %v", err)
		}
	}
}

func FuzzHead(f *testing.F) {
	r := numbered(3)
	f.Add(byte(1), uint32(3), r.appendHead(nil))
	f.Add(byte(2), uint32(0), []byte("short"))
	f.Fuzz(func(t *testing.T, kind byte, weight uint32, payload []byte) {
		r, err := readRecord(spool.Record{Kind: kind, Weight: weight, Payload: payload})
		if err == nil && (r.counts.samples() != int(weight) || len(r.data) > len(payload)) {
			t.Fatalf("%+v", r)
		}
	})
}

func TestQueueReplace(t *testing.T) {
	q := memoryQueue(t, 1<<20)
	put(t, q, 6, 9)
	front(t, q)
	q.Replace(numbered(1), numbered(2), numbered(3))
	// The front is in the log as a whole until all parts are dealt with.
	for _, want := range []struct{ front, samples, records int }{{1, 15, 2}, {2, 14, 2}, {3, 12, 2}, {9, 9, 1}} {
		if s := q.Stats(); s.samples != want.samples || s.records != want.records {
			t.Errorf("stats %+v, want %+v", s, want)
		}
		if got := front(t, q); got != want.front {
			t.Errorf("front is %d, want %d", got, want.front)
		}
		q.Replace()
	}
	if s := q.Stats(); s.records != 0 || s.bytes != 0 || s.samples != 0 || !s.oldest.IsZero() {
		t.Errorf("stats %+v", s)
	}
	// What is given up in the place of the front is dealt with as well.
	put(t, q, 5)
	front(t, q)
	q.Replace(numbered(2))
	if s := q.Stats(); s.samples != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestQueueDropsTheOldestButTheFront(t *testing.T) {
	q := memoryQueue(t, 3100)
	put(t, q, 1, 2, 3)
	if front(t, q) != 1 {
		t.Fatal("another front")
	}
	q.Replace(numbered(1), numbered(0))
	put(t, q, 4, 5)
	if got := drain(t, q); !slices.Equal(got, []int{1, 0, 3, 4, 5}) {
		t.Errorf("left %v", got)
	}
	if d := q.log.Stats().Dropped[spool.Size]; d.Records != 1 || d.Weight != 2 {
		t.Errorf("dropped %+v", d)
	}
}

func TestQueueSkipsWhatItCannotRead(t *testing.T) {
	q := memoryQueue(t, 1<<20)
	if err := q.log.Append(9, 1, 5, []byte("from the future")); err != nil {
		t.Fatal(err)
	}
	put(t, q, 1)
	if got := drain(t, q); !slices.Equal(got, []int{1}) {
		t.Errorf("left %v", got)
	}
	if d := q.log.Stats().Dropped[spool.Damaged]; d.Records != 1 || d.Weight != 5 {
		t.Errorf("dropped %+v", d)
	}
}

func TestQueueFreshFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(memoryLog(t, 1<<20), memoryLog(t, 1<<20), slog.New(slog.DiscardHandler))
		add := func(n int) {
			r := numbered(n)
			r.queued = time.Now()
			if err := q.Append(r); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 10 {
			add(n + 1)
			time.Sleep(10 * time.Second)
		}
		// The last three are fresh. More comes while the backlog is sent.
		var got []int
		for i := range 5 {
			got = append(got, front(t, q))
			q.Replace()
			if i == 3 {
				add(20)
			}
		}
		if !slices.Equal(got, []int{8, 9, 10, 1, 20}) {
			t.Errorf("order %v", got)
		}
		if s := q.Stats(); s.records != 6 || !s.oldest.Before(time.Now().Add(-80*time.Second)) {
			t.Errorf("stats %+v", s)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := q.Drained(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if got := drain(t, q); !slices.Equal(got, []int{2, 3, 4, 5, 6, 7}) {
			t.Errorf("then %v", got)
		}
		wg.Wait()
	})
}

func TestQueueWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memoryQueue(t, 1<<20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.Peek(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Peek of an empty queue: %v", err)
		}
		if err := q.Drained(t.Context()); err != nil {
			t.Errorf("an empty queue is not drained: %v", err)
		}
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			for want := 1; want < 3; want++ {
				if got := front(t, q); got != want {
					t.Errorf("front is %d", got)
				}
				q.Replace()
			}
		})
		put(t, q, 1)
		synctest.Wait()
		put(t, q, 2)
		synctest.Wait()
		put(t, q, 3)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Drained(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a full queue is drained: %v", err)
		}
		wg.Go(func() {
			if err := q.Drained(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if got := fmt.Sprint(drain(t, q)); got != "[3]" {
			t.Errorf("left %s", got)
		}
	})
}
