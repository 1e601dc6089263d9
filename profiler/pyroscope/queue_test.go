package pyroscope

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSendersWorkSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.server.set(func() { r.server.delay = 500 * time.Millisecond })
		for i := range 41 {
			r.push(fmt.Sprint(i))
		}
		start := time.Now()
		r.run()
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.server.set(func() {
			if r.server.most != senders {
				t.Errorf("%d requests at once", r.server.most)
			}
		})
		// The first goes alone, the 40 others four at a time.
		if d := time.Since(start); d != 11*500*time.Millisecond {
			t.Errorf("it took %s", d)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := makeProfile("100", time.Now())
		size := int64(len(one.Data) + 150)
		r := newRig(t, Options{QueueBytes: 10 * size})
		for i := range 100 {
			r.push(fmt.Sprint(100 + i))
		}
		s := r.status()
		if s.QueuedBytes > 10*size || s.Queued < 5 {
			t.Errorf("%d profiles with %d bytes wait; the bound is %d", s.Queued, s.QueuedBytes, 10*size)
		}
		if n := r.dropped(lostQueueFull); n != float64(100-s.Queued) {
			t.Errorf("%v profiles dropped", n)
		}
		r.run()
		time.Sleep(time.Second)
		if got := strings.Fields(r.server.ids()); len(got) != s.Queued || !strings.Contains(r.server.ids(), "199") || strings.Contains(r.server.ids(), "100") {
			t.Errorf("stored %v, want the newest", got)
		}
	})
}

func TestLabelsThatNoServerTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.run()
		r.push(strings.Repeat("x", 3000))
		r.push("good")
		time.Sleep(time.Second)
		if n := r.dropped(lostInvalidLabels); n != 1 {
			t.Errorf("%v profiles dropped", n)
		}
		if got := r.server.ids(); got != "good" {
			t.Errorf("stored %s", got)
		}
	})
}
