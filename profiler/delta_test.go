package profiler

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
)

var memoryTypes = lookup("memory").sampleTypes

func TestDelta(t *testing.T) {
	cumulative := lookup("memory").cumulative
	for _, tt := range []struct {
		name            string
		prev, cur, want stacks
		err             error
	}{
		{
			name: "cumulative columns are subtracted, others are not",
			prev: stacks{"main;a": {10, 1000, 3, 300}},
			cur:  stacks{"main;a": {15, 1600, 2, 200}},
			want: stacks{"main;a": {5, 600, 2, 200}},
		},
		{
			name: "a new stack is sent whole",
			prev: stacks{"main;a": {1, 1, 1, 1}},
			cur:  stacks{"main;a": {1, 1, 1, 1}, "main;b": {7, 70, 7, 70}},
			want: stacks{"main;a": {0, 0, 1, 1}, "main;b": {7, 70, 7, 70}},
		},
		{
			name: "what did not change and is not in use is dropped",
			prev: stacks{"main;a": {9, 90, 4, 40}, "main;b": {1, 1, 0, 0}},
			cur:  stacks{"main;a": {9, 90, 0, 0}, "main;b": {2, 2, 0, 0}},
			want: stacks{"main;b": {1, 1, 0, 0}},
		},
		{
			name: "labels tell samples apart and are kept",
			prev: stacks{"main;a|bytes=8": {1, 8, 0, 0}, "main;a|bytes=16": {1, 16, 0, 0}},
			cur:  stacks{"main;a|bytes=8": {3, 24, 0, 0}, "main;a|bytes=16": {2, 32, 0, 0}},
			want: stacks{"main;a|bytes=8": {2, 16, 0, 0}, "main;a|bytes=16": {1, 16, 0, 0}},
		},
		{
			name: "the first of all",
			prev: stacks{},
			cur:  stacks{"main;a": {1, 1, 1, 1}},
			want: stacks{"main;a": {1, 1, 1, 1}},
		},
		{
			name: "beyond the integers that a float64 can hold",
			prev: stacks{"main;a": {1<<60 + 1, 1<<60 + 3, 0, 0}},
			cur:  stacks{"main;a": {1<<60 + 2, 1<<60 + 3, 0, 0}},
			want: stacks{"main;a": {1, 0, 0, 0}},
		},
		{
			name: "a smaller value",
			prev: stacks{"main;a": {5, 5, 0, 0}, "main;b": {1, 1, 0, 0}},
			cur:  stacks{"main;a": {9, 9, 0, 0}, "main;b": {1, 0, 0, 0}},
			err:  errWentBack,
		},
		{
			name: "a stack that is gone",
			prev: stacks{"main;a": {5, 5, 0, 0}},
			cur:  stacks{"main;b": {9, 9, 0, 0}},
			err:  errWentBack,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			prev, cur := makeProfile(memoryTypes, tt.prev), makeProfile(memoryTypes, tt.cur)
			cur.TimeNanos = 5
			before := [][]byte{rawOf(prev), rawOf(cur)}
			got, err := delta(prev, cur, cumulative)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if !bytes.Equal(before[0], rawOf(prev)) || !bytes.Equal(before[1], rawOf(cur)) {
				t.Error("the arguments were changed")
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, readStacks(got)); diff != "" {
				t.Errorf("delta (-want +got):\n%s", diff)
			}
			if got.TimeNanos != 5 {
				t.Errorf("time %d, want that of cur", got.TimeNanos)
			}
			if err := got.CheckValid(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDeltaOfDifferentKinds(t *testing.T) {
	prev := makeProfile(lookup("mutex").sampleTypes, stacks{"main": {1, 1}})
	cur := makeProfile(memoryTypes, stacks{"main": {1, 1, 1, 1}})
	if d, err := delta(prev, cur, []string{"alloc_objects"}); err == nil {
		t.Errorf("got %v, want an error", d)
	}
}

func TestSnapshot(t *testing.T) {
	p := makeProfile(memoryTypes, stacks{"main;a": {10, 100, 1, 10}, "main;b": {10, 100, 0, 0}})
	p.DefaultSampleType = "alloc_space"
	before := rawOf(p)
	got := snapshot(p, lookup("memory").cumulative)
	if diff := cmp.Diff(stacks{"main;a": {1, 10}}, readStacks(got)); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	want := []*profile.ValueType{{Type: "inuse_objects", Unit: "count"}, {Type: "inuse_space", Unit: "bytes"}}
	for i, st := range got.SampleType {
		if st.Type != want[i].Type || st.Unit != want[i].Unit {
			t.Errorf("sample type %d is %s/%s", i, st.Type, st.Unit)
		}
	}
	if got.DefaultSampleType != "" {
		t.Errorf("default sample type %q is not among the sample types", got.DefaultSampleType)
	}
	if len(got.Function) != 2 {
		t.Errorf("%d functions, want only those in use", len(got.Function))
	}
	if !bytes.Equal(before, rawOf(p)) {
		t.Error("the argument was changed")
	}

	mutex := makeProfile(lookup("mutex").sampleTypes, stacks{"main": {1, 1}})
	if got := snapshot(mutex, lookup("mutex").cumulative); got != nil {
		t.Errorf("got %v of a type that has nothing but cumulative values", got)
	}
}
