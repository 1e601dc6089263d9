package remotewrite

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
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
	path, err := q.put(refusalOf(one), "", now)
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
	const size = diskBlock // of each file
	put := func(q *quarantine, sec int64) {
		t.Helper()
		s.floats[0].timeMs = sec
		if _, err := q.put(refusalOf(s), "", time.Unix(sec, 0)); err != nil {
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
	q.bound = size - 1
	if _, err := q.put(refusalOf(s), "", time.Unix(99, 0)); err == nil {
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

// Small files count with what they take up on a disk, and are not too many.
func TestQuarantineFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	s := series{labels: []label{{"__name__", "x"}}, floats: []float{{1, t0}}}
	var last string
	for _, again := range []bool{false, true} { // a later run keeps the bound as well
		q := newQuarantine(dir, newMetrics(nil))
		for i := range int64(quarantineFiles + 20) {
			var err error
			if last, err = q.put(refusalOf(s), "", time.Unix(i, 0)); err != nil {
				t.Fatal(err)
			}
		}
		entries, _ := os.ReadDir(dir)
		if len(entries) != quarantineFiles || q.bytes != quarantineFiles*diskBlock {
			t.Errorf("again %v: %d files with %d bytes", again, len(entries), q.bytes)
		}
		// A file that is written over counts once.
		if path, err := q.put(refusalOf(s), last, time.Unix(99, 0)); err != nil || path != last || q.bytes != quarantineFiles*diskBlock {
			t.Errorf("written over: %s, %v, %d bytes", path, err, q.bytes)
		}
	}
}

// A series that is refused with each scrape does not make a file with each.
func TestSuspectsShareFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r, _ := patient(t, Options{QuarantineDir: dir}, poisoned("m3", "m60"))
		r.apply(config("http://example.org/write", MessageV1))
		defer r.start()()
		const n = 480 // two hours
		for range n {
			r.append(scrapeOf(target("a:1"), seriesSet(100), nowMs()))
			r.flushWithin(time.Hour)
			time.Sleep(15 * time.Second)
		}
		r.want("samples_quarantined_total", 2*n)
		r.books()
		files, times := quarantined(t, dir), make(map[string]bool)
		if len(files) > 2+13 { // one for each series at first, then one in ten minutes
			t.Errorf("%d files", len(files))
		}
		for _, f := range files {
			names := make(map[string]bool)
			for _, s := range f.series {
				if names[s.name()] {
					t.Errorf("%s is twice in one file", s.name())
				}
				names[s.name()] = true
				for _, v := range s.floats {
					times[fmt.Sprint(s.name(), v.timeMs)] = true
				}
			}
			if !strings.Contains(f.Reason, "out of order sample") {
				t.Errorf("reason %q", f.Reason)
			}
		}
		if len(times) != 2*n {
			t.Errorf("%d samples in the files, want %d", len(times), 2*n)
		}
	})
}

func TestReadQuarantined(t *testing.T) {
	file := refusalOf(series{labels: []label{{"__name__", "a"}}, floats: []float{{1, 5}, {2, 9}}}).encode(time.Now())
	r, err := ReadQuarantined(file)
	if err != nil || r.Samples != 2 || r.MinMs != 5 || r.MaxMs != 9 || r.Message() != MessageV2 || r.Reason != "line\r\nbreak" {
		t.Errorf("%+v, %v", r, err)
	}
	for cut := range len(file) - 1 {
		if _, err := ReadQuarantined(file[:cut]); err == nil {
			t.Errorf("the first %d bytes of %d are read without an error", cut, len(file))
		}
	}
}

func FuzzReadQuarantined(f *testing.F) {
	f.Add(refusalOf(series{labels: []label{{"__name__", "a"}}, floats: []float{{1, 5}}}).encode(time.Unix(0, 0)))
	f.Add([]byte("Message: prometheus.WriteRequest\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ReadQuarantined(b); err == nil && r.Samples > 0 && r.MinMs > r.MaxMs {
			t.Fatalf("%+v", r)
		}
	})
}
