package remotewrite

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/spool"
)

// closed stops a rig for good, and returns how many samples wait on disk.
func (r *rig) closed() float64 {
	r.t.Helper()
	waiting := 0.0
	for _, ep := range *r.endpoints.Load() {
		waiting += float64(ep.fill().samples)
	}
	if err := r.Close(); err != nil {
		r.t.Error(err)
	}
	return waiting
}

func TestRestartDeliversWhatWaits(t *testing.T) {
	dir := t.TempDir()
	var down atomic.Bool
	down.Store(true)
	rc, url := served(t, func(int, request) reply {
		if down.Load() {
			return reply{status: 503}
		}
		return reply{status: 204}
	})
	cfg := config(url, MessageV2)
	tgt, set := target("a:1"), seriesSet(5)

	r := newRig(t, Options{SpoolDir: dir})
	r.apply(cfg)
	stop := r.start()
	for i := range int64(10) {
		r.append(scrapeOf(tgt, set, t0+i*1000))
	}
	waitFor(t, func() bool { return r.sum("retries_total") > 2 })
	stop()
	r.books()
	if got := r.closed(); got != 50 {
		t.Errorf("%v samples wait", got)
	}
	if !strings.Contains(r.log.String(), `msg="samples wait on disk for the next start" endpoint=main samples=50`) {
		t.Errorf("log:\n%s", r.log)
	}

	down.Store(false)
	r = newRig(t, Options{SpoolDir: dir})
	r.apply(cfg)
	r.want("samples_recovered_total", 50)
	r.want("queue_requests", 10)
	r.append(scrapeOf(tgt, set, t0+10_000))
	stop = r.start()
	r.flush()
	r.books()
	stop()
	if got := r.closed(); got != 0 {
		t.Errorf("%v samples wait", got)
	}
	if got := rc.got(); len(got) != 55 {
		t.Errorf("%d samples arrived", len(got))
	}
	last := int64(0)
	for _, p := range rc.taken {
		for _, f := range p.Floats {
			if f.TimeMs < last {
				t.Errorf("%s goes back", p.Labels)
			}
			last = f.TimeMs
		}
	}
	// Nothing is left that a third start would send.
	r = newRig(t, Options{SpoolDir: dir})
	r.apply(cfg)
	r.want("samples_recovered_total", 0)
	r.closed()
}

func TestRestartTranslatesWhatWaits(t *testing.T) {
	dir := t.TempDir()
	rc, url := served(t, func(_ int, req request) reply {
		if req.v2 {
			return reply{status: 415}
		}
		return reply{status: 204}
	})
	r := newRig(t, Options{SpoolDir: dir})
	r.apply(config(url, MessageV2))
	for i := range int64(3) {
		r.append(scrapeOf(target("a:1"), seriesSet(5), t0+i*1000))
	}
	r.closed()
	for _, message := range []string{MessageV2, MessageV1} {
		r = newRig(t, Options{SpoolDir: dir})
		r.apply(config(url, message))
		stop := r.start()
		r.flush()
		stop()
		r.closed()
	}
	if n := len(rc.got()); n != 15 {
		t.Errorf("%d samples arrived", n)
	}
}

// The books balance whatever the receiver answers, however small the spool is, and through
// restarts, kills and changes of the lanes; and what was delivered arrived.
func TestBooksOfTheSpool(t *testing.T) {
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 7))
			dir := t.TempDir()
			var answers sync.Mutex
			dice := rand.New(rand.NewPCG(seed, 8))
			script := func(_ int, req request) reply {
				answers.Lock()
				defer answers.Unlock()
				switch n := dice.IntN(20); {
				case n < 3:
					return reply{status: 503}
				case n < 4 && req.samples() > 20:
					return reply{status: 413}
				case n < 6:
					return reply{status: 400, body: "bad series"}
				case n < 7:
					return reply{status: 400, body: "too old sample"}
				case n < 8 && req.v2:
					return reply{status: 415}
				}
				return reply{status: 204}
			}
			rc := &receiver{t: t, script: script}
			base := t.TempDir()
			restarts, lost := 0, 0.0
			var waiting, front float64
			for range 8 {
				r := newRig(t, Options{SpoolDir: dir, QuarantineDir: base})
				r.tuning.bisectEvery = time.Millisecond
				r.through(directly(rc))
				apply := func() {
					cfg := config("http://example.org/write", []string{MessageV1, MessageV2}[rnd.IntN(2)])
					cfg.Shards = 1 + rnd.IntN(3)
					cfg.Order = []string{InOrder, FreshFirst}[rnd.IntN(2)]
					cfg.Spool = spool.Config{MaxBytes: 100_000, Fsync: spool.Fsync(spool.SyncNever)}
					r.apply(cfg)
				}
				apply()
				// A front that was begun is there again as a whole.
				if got := r.sum("samples_recovered_total"); got < waiting || got > waiting+front {
					t.Errorf("%v samples recovered, %v were left", got, waiting)
				}
				r.books()
				stop := r.start()
				for i := range 60 {
					n := 10 + rnd.IntN(200)
					r.append(scrapeOf(target(fmt.Sprint("t", i%5)), roundSet(int64(i%5), n), nowMs()))
					time.Sleep(time.Duration(rnd.IntN(2000)) * time.Millisecond)
					if rnd.IntN(20) == 0 {
						apply()
						r.books()
					}
				}
				stop()
				r.books()
				lost += r.sum("samples_dropped_total")
				front = 3 * 210
				waiting = r.closed()
				restarts++
			}
			for k, n := range rc.got() {
				if n > restarts+20 {
					t.Errorf("%s arrived %d times", k, n)
				}
			}
			if len(rc.got()) < 1000 || lost == 0 {
				t.Fatalf("the test is too weak: %d arrived, %v dropped", len(rc.got()), lost)
			}
		})
	}
}

func TestRemovedEndpointLeavesItsSpool(t *testing.T) {
	dir := t.TempDir()
	rc, url := served(t, nil)
	kept, gone := config(url, MessageV1), config(url, MessageV1)
	kept.Name, gone.Name = "kept", "../gone/x"
	r := newRig(t, Options{SpoolDir: dir})
	r.apply(gone, kept)
	r.append(scrapeOf(target("a:1"), seriesSet(3), t0))
	r.apply(kept)
	r.want("samples_dropped_total", 0)
	r.want("queue_requests", 0, "endpoint", gone.Name)
	home := filepath.Join(dir, "%2E.%2Fgone%2Fx")
	if log := r.log.String(); !strings.Contains(log, "endpoint was removed, what it had queued stays on disk") || !strings.Contains(log, "there is a spool of an endpoint that is not configured") || !strings.Contains(log, home) {
		t.Errorf("log:\n%s", log)
	}
	r.apply(kept, gone)
	r.want("samples_recovered_total", 3)
	r.closed()

	r = newRig(t, Options{SpoolDir: dir})
	r.apply(kept, gone)
	r.start()
	r.flush()
	r.books()
	if n := len(rc.got()); n != 3 || rc.count() != 2 {
		t.Errorf("%d samples arrived with %d requests", n, rc.count())
	}
	r.closed()
}

func TestOrphansGoWhenTheyAreOld(t *testing.T) {
	dir := t.TempDir()
	_, url := served(t, nil)
	gone := config(url, MessageV1)
	gone.Name = "gone"
	r := newRig(t, Options{SpoolDir: dir})
	r.apply(gone)
	r.append(scrapeOf(target("a:1"), seriesSet(3), t0))
	r.closed()
	segments, _ := filepath.Glob(filepath.Join(dir, "gone", "*", "*"+spool.SegmentSuffix))
	if len(segments) != 1 {
		t.Fatalf("segments %v", segments)
	}
	for _, c := range []struct {
		maxAge, age time.Duration
		left        bool
	}{{time.Hour, 23 * time.Hour, true}, {48 * time.Hour, 47 * time.Hour, true}, {time.Hour, 25 * time.Hour, false}} {
		then := time.Now().Add(-c.age)
		if err := os.Chtimes(segments[0], then, then); err != nil {
			t.Fatal(err)
		}
		cfg := config(url, MessageV1)
		cfg.Spool.MaxAge = model.Duration(c.maxAge)
		r := newRig(t, Options{SpoolDir: dir})
		r.apply(cfg)
		r.closed()
		if _, err := os.Stat(segments[0]); (err == nil) != c.left {
			t.Errorf("after %v with max_age %v: %v", c.age, c.maxAge, err)
		}
	}
}

func TestSpoolInUse(t *testing.T) {
	dir := t.TempDir()
	_, url := served(t, nil)
	r := newRig(t, Options{SpoolDir: dir})
	r.apply(config(url, MessageV1))
	other := newRig(t, Options{SpoolDir: dir})
	err := other.Apply([]*Config{config(url, MessageV1)}, labels.EmptyLabels())
	want := fmt.Sprintf(`remote_write "main": spool %s is in use by another process (pid %d)`, filepath.Join(dir, "main", "0-of-1"), os.Getpid())
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	r.closed()
	other.apply(config(url, MessageV1))
	other.closed()
}

// A directory that cannot be used is no reason not to ride.
func TestSpoolCannotBeOpened(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rc, url := served(t, nil)
	r := newRig(t, Options{SpoolDir: dir})
	if err := r.Apply([]*Config{config(url, MessageV1)}, labels.EmptyLabels()); err != nil {
		t.Fatal(err)
	}
	r.append(scrapeOf(target("a:1"), seriesSet(3), t0))
	stop := r.start()
	r.flush()
	if n := len(rc.got()); n != 3 || !strings.Contains(r.log.String(), "spool cannot be opened") {
		t.Errorf("%d samples arrived\n%s", n, r.log)
	}
	r.want("spool_disk_failing", 1)
	stop()
	for _, l := range (*r.endpoints.Load())[0].logs.open {
		big := make([]byte, DefaultQueueBytes/2)
		for range 4 {
			if err := l.Append(1, 0, 0, big); err != nil {
				t.Fatal(err)
			}
		}
		if s := l.Stats(); s.Used > DefaultQueueBytes {
			t.Errorf("%d bytes in memory", s.Used)
		}
	}
}

func TestEndpointDir(t *testing.T) {
	names := []string{"main", "prometheus:9090", "a/b", ".", "..", ".x", "", "é", "%2E", strings.Repeat("x", 300), strings.Repeat("x", 301), "A-b_c.d"}
	var dirs []string
	for _, n := range names {
		d := endpointDir(n)
		if n != "" && (d == "" || d[0] == '.' || len(d) > 200 || strings.ContainsAny(d, "/:")) {
			t.Errorf("%q becomes %q", n, d)
		}
		if slices.Contains(dirs, d) {
			t.Errorf("%q becomes %q, as another does", n, d)
		}
		dirs = append(dirs, d)
	}
	if dirs[0] != "main" || dirs[11] != "A-b_c.d" {
		t.Errorf("plain names are changed: %v", dirs)
	}
}

// The body of a request that is over is read no more, since its bytes are used again.
func TestBodyEnds(t *testing.T) {
	data := []byte("0123456789")
	b := &postBody{data: data}
	req, _ := http.NewRequest(http.MethodPost, "http://example.org", nil)
	b.giveTo(req)
	got := make([]byte, 4)
	if n, err := req.Body.Read(got); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	again, err := req.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	b.end()
	for _, r := range []interface{ Read([]byte) (int, error) }{req.Body, again} {
		if n, err := r.Read(got); n != 0 || err != errOver {
			t.Errorf("read %d, %v", n, err)
		}
	}
	if req.ContentLength != 10 {
		t.Errorf("length %d", req.ContentLength)
	}
}

// An endpoint that takes a scrape of the same shape allocates nothing, on disk or in memory.
func TestAppendAllocatesNothing(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		r := newRig(t, Options{SpoolDir: dir, QueueBytes: 1 << 20})
		cfg := config("http://example.org/write", MessageV1)
		cfg.Spool = spool.Config{MaxBytes: 64 << 20, Fsync: spool.Fsync(spool.SyncNever)}
		r.apply(cfg)
		q := (*(*r.endpoints.Load())[0].lanes.Load())[0].queue
		set, tgt := seriesSet(100), target("a:1")
		s := scrapeOf(tgt, set, t0)
		once := func() {
			s.TimeMs += 1000
			if err := r.Append(s); err != nil {
				t.Fatal(err)
			}
			if _, err := q.Peek(t.Context()); err != nil {
				t.Fatal(err)
			}
			q.Replace()
		}
		for range 10 {
			once()
		}
		if n := testing.AllocsPerRun(500, once); n > 0 {
			t.Errorf("dir %q: %v allocations", dir, n)
		}
		r.closed()
	}
}
