package faults

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	b := &bench{name: "kills"}
	b.tell("2.0: served", "%d bodies", 3)
	b.tell("1.0: served", "%d bodies", 4)
	b.want(false, "2.0: arrived", "3", "%d", 2)
	b.none("1.0: lost", violations{})
	b.none("1.0: wrong", violations{n: 4, first: []string{"a", "b", "c"}})
	b.skip("a small disk", "cannot be mounted here")
	rows := grouped(b.rows)
	want := `kills
  a small disk  cannot be mounted here  SKIPPED
  1.0: served   4 bodies
  1.0: lost     0  ok, want 0
  1.0: wrong    4: a; b; c; ...  MISS, want 0
  2.0: served   3 bodies
  2.0: arrived  2  MISS, want 3
6 numbers after 2s, 2 missed, 1 skipped.
`
	if diff := cmp.Diff(want, Table(rows, 2*time.Second)); diff != "" {
		t.Error(diff)
	}
	if got := len(Missed(rows)); got != 2 {
		t.Errorf("%d missed, want 2", got)
	}
}

func TestMostInAMinute(t *testing.T) {
	s := time.Second
	for _, tt := range []struct {
		times []time.Duration
		want  int
	}{
		{nil, 0},
		{[]time.Duration{0}, 1},
		{[]time.Duration{0, 30 * s, 60 * s, 90 * s}, 2},
		{[]time.Duration{0, 30 * s, 59 * s, 90 * s}, 3},
		{[]time.Duration{0, 70 * s, 71 * s, 72 * s, 200 * s}, 3},
	} {
		var times []time.Time
		for _, d := range tt.times {
			times = append(times, epoch.Add(d))
		}
		if got := mostInAMinute(times); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.times, got, tt.want)
		}
	}
}

func TestOldDouble(t *testing.T) {
	d := &oldDouble{newest: 10_000_000}
	for _, tt := range []struct {
		r      request
		status int
		stored int
	}{
		{request{samples: []sample{{timeMs: 10_000_000 - oldWindow.Milliseconds()}}}, 204, 1},
		{request{samples: []sample{{timeMs: 10_000_000}, {timeMs: 9_999_999 - oldWindow.Milliseconds()}}}, 500, 0},
		{request{samples: []sample{{timeMs: 10_000_100}}}, 204, 1},
		{request{samples: []sample{{timeMs: 10_000_099 - oldWindow.Milliseconds()}}}, 500, 0},
		{request{v2: true, samples: []sample{{timeMs: 10_000_200}}}, 204, 0},
	} {
		if got := d.answer(tt.r); got.status != tt.status || len(got.store) != tt.stored {
			t.Errorf("%+v: %d and %d stored, want %d and %d", tt.r, got.status, len(got.store), tt.status, tt.stored)
		}
	}
}
