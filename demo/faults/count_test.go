package faults

import (
	"testing"
	"time"
)

func TestBetween(t *testing.T) {
	times := func(ms ...int) (out []time.Time) {
		for _, m := range ms {
			out = append(out, at(m))
		}
		return out
	}
	for _, tt := range []struct {
		name          string
		stamps, asked []time.Time
		at            int
		want          bool
	}{
		{"half-way", times(0, 1000), times(1, 1001), 500, true},
		{"before the first", times(1000), times(1001), 500, true},
		{"after the last", times(1000), times(1001), 1500, true},
		{"just before one", times(0, 1000), times(1, 1001), 950, false},
		{"just after one", times(0, 1000), times(1, 1001), 1050, false},
		{"one is on its way", times(0, 1000), times(1, 1900), 1500, false},
		{"one came late", times(0, 1000), times(1, 1400), 1700, false},
		{"one never came", times(0, 1000), times(1), 1500, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := between(tt.stamps, tt.asked, at(tt.at)); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
