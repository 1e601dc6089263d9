package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// numbered makes a record of one sample that takes 1000 bytes of a queue.
func numbered(n int) record {
	return record{data: make([]byte, 1000-recordOverhead), counts: counts{series: 1, floats: 1}, minMs: int64(n), maxMs: int64(n), queued: time.Unix(int64(n), 0)}
}

func numbers(rs []record) string {
	var out []int64
	for _, r := range rs {
		out = append(out, r.minMs)
	}
	return fmt.Sprint(out)
}

func front(t *testing.T, q *queue) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := q.Peek(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r.minMs
}

func TestQueueOrder(t *testing.T) {
	q := newQueue(1 << 20)
	next, taken := 0, 0
	for round := range 50 {
		for range round % 7 {
			q.Append(numbered(next))
			next++
		}
		for range min(round%5, next-taken) {
			if got := front(t, q); got != int64(taken) {
				t.Fatalf("front is %d, want %d", got, taken)
			}
			q.Replace()
			taken++
		}
		want := queueStats{records: next - taken, bytes: int64(1000 * (next - taken)), samples: next - taken}
		if want.records > 0 {
			want.oldest = time.Unix(int64(taken), 0)
		}
		if got := q.Stats(); got != want {
			t.Fatalf("stats %+v, want %+v", got, want)
		}
	}
	if next == taken {
		t.Fatal("the test is too weak")
	}
}

func TestQueueDropsTheOldest(t *testing.T) {
	q := newQueue(3000)
	for i := range 3 {
		if d := q.Append(numbered(i)); d != nil {
			t.Fatalf("dropped %s", numbers(d))
		}
	}
	if d := numbers(q.Append(numbered(3))); d != "[0]" {
		t.Errorf("dropped %s, want the oldest", d)
	}
	if got := front(t, q); got != 1 {
		t.Errorf("front is %d", got)
	}
	// What was given out stays where it is, so that Replace means what was seen.
	if d := numbers(q.Append(numbered(4))); d != "[2]" {
		t.Errorf("dropped %s, want the oldest but the one given out", d)
	}
	big := numbered(5)
	big.data = make([]byte, 5000)
	if d := numbers(q.Append(big)); d != "[3 4 5]" {
		t.Errorf("dropped %s, want all that was not given out and the new one", d)
	}
	q.Replace(numbered(6), numbered(7)) // held on
	q.Append(numbered(8))
	if d := numbers(q.Append(numbered(9))); d != "[7]" {
		t.Errorf("dropped %s, want 7", d)
	}
	q.Replace()
	if d := numbers(q.Append(numbered(10))) + numbers(q.Append(numbered(11))); d != "[][8]" {
		t.Errorf("dropped %s, want 8", d)
	}
	if got := numbers(q.Close()); got != "[9 10 11]" {
		t.Errorf("closing gave %s", got)
	}
	if d := numbers(q.Append(numbered(12))); d != "[12]" || !q.Closed() {
		t.Errorf("a closed queue dropped %s", d)
	}
	if s := q.Stats(); s != (queueStats{}) {
		t.Errorf("a closed queue holds %+v", s)
	}
}

func TestQueueReplace(t *testing.T) {
	q := newQueue(1 << 20)
	q.Append(numbered(0))
	q.Append(numbered(9))
	front(t, q)
	q.Replace(numbered(1), numbered(2), numbered(3))
	if s := q.Stats(); s.records != 4 || s.bytes != 4000 || s.samples != 4 {
		t.Errorf("stats %+v", s)
	}
	for _, want := range []int64{1, 2, 3, 9} {
		if got := front(t, q); got != want {
			t.Errorf("front is %d, want %d", got, want)
		}
		q.Replace()
	}
	if s := q.Stats(); s.records != 0 || s.bytes != 0 {
		t.Errorf("stats %+v of an empty queue", s)
	}
}

func TestQueueWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1 << 20)
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
			if got := front(t, q); got != 1 {
				t.Errorf("front is %d", got)
			}
			q.Replace()
			if got := front(t, q); got != 2 {
				t.Errorf("front is %d", got)
			}
		})
		q.Append(numbered(1))
		synctest.Wait()
		q.Append(numbered(2))
		synctest.Wait()
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
		q.Replace()
	})
}
