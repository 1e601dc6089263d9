package remotewrite

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// keptFile is a quarantine file, read as its documentation says.
type keptFile struct {
	Endpoint, Reason, Message, Samples, Example string
	series                                      []series
}

func (s *series) name() string {
	for _, l := range s.labels {
		if l.name == "__name__" {
			return l.value
		}
	}
	return ""
}

func quarantined(t *testing.T, dir string) (out []keptFile) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names { // sorted, which is by age
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(bytes.NewReader(b))
		h, err := textproto.NewReader(br).ReadMIMEHeader()
		if err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		body, _ := io.ReadAll(br)
		unquote := func(k string) string {
			s, err := strconv.Unquote(h.Get(k))
			if err != nil {
				t.Errorf("%s: %s %q", n, k, h.Get(k))
			}
			return s
		}
		m, ok := messageOf(h.Get("Message"))
		if !ok || h.Get("Content-Encoding") != "snappy" {
			t.Errorf("%s: headers %v", n, h)
		}
		all, err := decode(record{message: m, data: body})
		if err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		out = append(out, keptFile{unquote("Endpoint"), unquote("Reason"), h.Get("Message"), h.Get("Samples"), h.Get("Example"), all})
	}
	return out
}

func refusalOf(s series) refusal {
	return refusal{endpoint: "ma\nin", record: encodeSeries([]series{s}, v2, time.Now()), series: s.String(), err: errors.New("line\r\nbreak")}
}

func TestQuarantine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "quarantine")
	m := newMetrics(nil)
	q := newQuarantine(dir, m)
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory is made before it is needed")
	}
	one := series{labels: []label{{"__name__", "x"}, {"l", "a\r\n\r\nb"}}, floats: []float{{1, t0}}}
	now := time.Unix(1000, 0)
	path, err := q.put(refusalOf(one), now)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v %v", path, info, err)
	}
	got := quarantined(t, dir)
	if len(got) != 1 || got[0].Reason != "line\r\nbreak" || got[0].Endpoint != "ma\nin" || got[0].Samples != "1" ||
		got[0].Message != MessageV2 || got[0].Example != `{__name__="x", l="a\r\n\r\nb"}` || got[0].series[0].labels[1].value != "a\r\n\r\nb" {
		t.Errorf("got %+v", got)
	}
}

func TestQuarantineIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := series{labels: []label{{"__name__", "x"}}, floats: []float{{1, t0}}}
	size := int64(len(refusalOf(s).encode(time.Unix(1, 0))))
	put := func(q *quarantine, sec int64) {
		t.Helper()
		s.floats[0].timeMs = sec
		if _, err := q.put(refusalOf(s), time.Unix(sec, 0)); err != nil {
			t.Fatal(err)
		}
	}
	times := func() (out []int64) {
		for _, k := range quarantined(t, dir) {
			out = append(out, k.series[0].floats[0].timeMs)
		}
		return out
	}
	q := newQuarantine(dir, newMetrics(nil))
	q.bound = 4 * size
	for sec := range int64(3) {
		put(q, sec+1)
	}
	// A later run knows the files of the earlier one, and leaves those of others alone.
	for _, n := range []string{"half" + quarantineSuffix + partialSuffix, "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, n), make([]byte, 9999), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	q = newQuarantine(dir, newMetrics(nil))
	q.bound = 4 * size
	for sec := range int64(3) {
		put(q, sec+10)
	}
	if _, err := os.Stat(filepath.Join(dir, "notes.txt")); err != nil {
		t.Error(err)
	}
	_ = os.Remove(filepath.Join(dir, "notes.txt"))
	got := times()
	if len(got) < 3 || len(got) > 4 || got[len(got)-1] != 12 || got[0] < 2 {
		t.Errorf("left in quarantine: %v", got)
	}
	q.bound = size - 50
	if _, err := q.put(refusalOf(s), time.Unix(99, 0)); err == nil {
		t.Error("a file larger than the bound was kept")
	}
}

func TestQuarantineUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, url := served(t, poisoned("m2"))
	r := newRig(t, Options{QuarantineDir: filepath.Join(file, "q")})
	r.apply(config(url, MessageV1))
	r.append(scrapeOf(target("a:1"), seriesSet(4), t0))
	r.start()
	r.flush()
	r.want("samples_dropped_total", 1, "reason", "poison")
	r.want("samples_delivered_total", 3)
	r.books()
}
