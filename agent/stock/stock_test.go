package stock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"outrider/agent/remotewrite"
	"outrider/agent/spool"
)

// request is what remotewrite puts in a spool for a request of one sample: eight bytes of the
// target, counts, times, data.
func request(n int) []byte {
	return append(make([]byte, 8), 1, 1, 0, 0, byte(2*n), 0, 'x')
}

func fill(t *testing.T, dir string, ns ...int) {
	t.Helper()
	l, err := spool.Open(spool.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, n := range ns {
		if err := l.Append(1, time.Now().UnixMilli(), 1, request(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// sink takes all requests but those that it refuses or fails at.
type sink struct {
	got           []int64
	refuse, fails int64
}

func (s *sink) send(_ context.Context, r remotewrite.Request) error {
	switch r.MinMs {
	case s.refuse:
		return &remotewrite.RefusedError{Err: errors.New("no")}
	case s.fails:
		return errors.New("away")
	}
	s.got = append(s.got, r.MinMs)
	return nil
}

func TestReplayOrder(t *testing.T) {
	dir := t.TempDir()
	fill(t, filepath.Join(dir, "a", "0-of-2"), 3, 4)
	fill(t, filepath.Join(dir, "a", "0-of-2-behind"), 1, 2)
	fill(t, filepath.Join(dir, "a", "1-of-2"), 5)
	fill(t, filepath.Join(dir, "b", "0-of-1"), 6)
	for _, del := range []bool{false, true} {
		s := sink{refuse: -1, fails: -1}
		total, err := Replay{Send: s.send, Delete: del, Step: func(Step) {}}.Run(t.Context(), []string{dir})
		if err != nil || !slices.Equal(s.got, []int64{1, 2, 3, 4, 5, 6}) || total != (Totals{Requests: 6, Samples: 6}) {
			t.Errorf("delete %v: sent %v, %+v, %v", del, s.got, total, err)
		}
		lanes, err := Lanes(dir)
		if err != nil || len(lanes) != 4 {
			t.Fatalf("lanes %+v, %v", lanes, err)
		}
		left := 0
		for _, l := range lanes {
			left += l.Requests
		}
		if want := map[bool]int{false: 6, true: 0}[del]; left != want {
			t.Errorf("delete %v: %d requests are left", del, left)
		}
	}
}

// With --delete nothing goes that was not delivered, and nothing behind it.
func TestReplayStopsWhereItDeletes(t *testing.T) {
	for _, s := range []sink{{refuse: 2, fails: -1}, {refuse: -1, fails: 2}} {
		dir := t.TempDir()
		fill(t, dir, 1, 2, 3)
		total, err := Replay{Send: s.send, Delete: true, Step: func(Step) {}}.Run(t.Context(), []string{dir})
		if err == nil || total.Requests != 1 || !slices.Equal(s.got, []int64{1}) {
			t.Errorf("sent %v, %+v, %v", s.got, total, err)
		}
		lanes, err := Lanes(dir)
		if err != nil || len(lanes) != 1 || lanes[0].Requests != 2 || lanes[0].Samples != 2 {
			t.Errorf("left %+v, %v", lanes, err)
		}
	}
	// Without it the others are sent.
	dir := t.TempDir()
	fill(t, dir, 1, 2, 3)
	s := sink{refuse: 2, fails: -1}
	var steps []string
	total, err := Replay{Send: s.send, Step: func(st Step) {
		steps = append(steps, fmt.Sprint(st.Request.MinMs, st.Done, st.Refused))
	}}.Run(t.Context(), []string{dir})
	if err != nil || total != (Totals{Requests: 2, Samples: 2, Refused: 1}) {
		t.Errorf("%+v, %v", total, err)
	}
	if want := []string{"1 false <nil>", "1 true <nil>", "2 false <nil>", "2 true no", "3 false <nil>", "3 true <nil>"}; !slices.Equal(steps, want) {
		t.Errorf("steps %v", steps)
	}
}

func TestReplayRefusesWhatIsInUse(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 1)
	l, err := spool.Open(spool.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, del := range []bool{false, true} {
		s := sink{refuse: -1, fails: -1}
		_, err := Replay{Send: s.send, Delete: del, Step: func(Step) {}}.Run(t.Context(), []string{dir})
		if err == nil || !strings.Contains(err.Error(), "in use") || s.got != nil {
			t.Errorf("delete %v: sent %v, %v", del, s.got, err)
		}
	}
	if total, err := (Replay{Step: func(Step) {}}).Run(t.Context(), []string{dir}); err != nil || total.Requests != 1 {
		t.Errorf("a dry run: %+v, %v", total, err)
	}
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	fill(t, filepath.Join(dir, "a"), 1, 2, 3)
	fill(t, filepath.Join(dir, "b"), 4)
	name := filepath.Join(dir, "a", "0000000000000001.seg")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const record = 32 + 15
	b[64+record+40] ^= 1 // in the payload of the second
	if err := os.WriteFile(name, append(b, "torn"...), 0o640); err != nil {
		t.Fatal(err)
	}
	var got []File
	if err := Verify(dir, func(f File) { got = append(got, f) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Records != 2 || got[1].Records != 1 || len(got[0].Faults) != 2 || got[1].Faults != nil {
		t.Fatalf("files %+v", got)
	}
	if f := got[0].Faults[0]; f.Offset != 64+record || f.Bytes != record || f.Torn {
		t.Errorf("fault %+v", f)
	}
	if f := got[0].Faults[1]; f.Offset != 64+3*record || f.Bytes != 4 || !f.Torn {
		t.Errorf("fault %+v", f)
	}
}
