package remotewrite

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	gsnappy "github.com/golang/snappy"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

var allowAll = limits{samples: 1 << 30, bytes: 1 << 30}

func joinAll(records ...record) record {
	var b batch
	b.begin()
	for _, r := range records {
		b.count(r)
		b.write(r)
	}
	return b.record()
}

// Any snappy decoder reads a joined body as the messages one behind another.
func TestJoinedBodies(t *testing.T) {
	check := func(name string, records []record) {
		t.Helper()
		var want []byte
		var c counts
		for _, r := range records {
			raw, err := gsnappy.Decode(nil, r.data)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, raw...)
			c.add(r.counts)
		}
		all := joinAll(records...)
		for decoder, decode := range map[string]func(dst, src []byte) ([]byte, error){"golang": gsnappy.Decode, "klauspost": snappy.Decode} {
			if got, err := decode(nil, all.data); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %s: %d bytes for %d, %v", name, decoder, len(got), len(want), err)
			}
		}
		if all.counts != c {
			t.Errorf("%s: counts %+v, want %+v", name, all.counts, c)
		}
	}

	var records []record
	for name, s := range realistic() {
		rs, _ := newTestEncoder(t, v1, labels.EmptyLabels()).records(s)
		check(name, rs)
		records = append(records, rs...)
	}
	check("all", records)
	all := joinAll(records...)
	if got := parseRequest(t, v1.contentType(), all.data); len(got) != all.counts.series {
		t.Errorf("%d series, want %d", len(got), all.counts.series)
	}
	series, err := decode(all)
	if err != nil || len(series) != all.counts.series {
		t.Errorf("%d series are read, want %d: %v", len(series), all.counts.series, err)
	}
	// As it is after a part was taken out, or translated.
	again := encodeSeries(series, v1, time.Time{})
	check("compressed as a whole", []record{records[0], again, records[1], again})

	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 200 { // blocks of several fragments, with short and long copies and without
		var records []record
		for range 1 + rnd.IntN(6) {
			raw := make([]byte, rnd.IntN(200_000))
			period, noise := 1+rnd.IntN(70_000), rnd.IntN(3)
			for j := range raw {
				if raw[j] = byte(j); j >= period {
					raw[j] = raw[j-period]
				}
				if rnd.IntN(100) < noise {
					raw[j] = byte(rnd.Uint32())
				}
			}
			records = append(records, record{message: v1, data: snappy.Encode(nil, raw)})
		}
		check(fmt.Sprint("random ", i), records)
	}
}

func TestBatchFits(t *testing.T) {
	r := encodeSeries([]series{{labels: []label{{"a", "b"}}, floats: []float{{1, 1}, {2, 2}}}}, v1, time.Time{})
	size, _ := snappy.DecodedLen(r.data)
	same := r
	same.target = 1
	second := r
	second.message = v2
	empty := r
	empty.data = nil
	for name, c := range map[string]struct {
		r    record
		lim  limits
		want bool
	}{
		"just":          {r, limits{4, 2 * size}, true},
		"samples":       {r, limits{3, 2 * size}, false},
		"bytes":         {r, limits{4, 2*size - 1}, false},
		"target twice":  {same, allowAll, false},
		"message":       {second, allowAll, false},
		"without data":  {empty, allowAll, false},
		"claims a lot":  {record{message: v1, data: bytes.Repeat([]byte{0xff}, 9)}, allowAll, false},
		"claims a lot2": {record{message: v1, data: append(bytes.Repeat([]byte{0xff}, 9), 1)}, allowAll, false},
	} {
		var b batch
		b.begin()
		first := r
		first.target = 1
		b.count(first)
		if got := b.fits(c.r, c.lim); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// backlog is a rig in a bubble with n scrapes that wait, each of another target, of so many
// series and a second apart. The receiver is that of rc.
func backlog(t *testing.T, o Options, cfg *Config, n, series int, script func(int, request) reply) (*rig, *receiver) {
	r, rc := patient(t, o, script)
	r.apply(cfg)
	for i := range n {
		r.append(scrapeOf(target(fmt.Sprint("t", i)), seriesSet(series), nowMs()))
		time.Sleep(time.Second)
	}
	return r, rc
}

// inOrder checks that all samples were taken once and in order.
func inOrder(t *testing.T, rc *receiver, samples int) {
	t.Helper()
	last, got := make(map[string]int64), 0
	for _, s := range rc.taken {
		for _, f := range s.Floats {
			if got++; f.TimeMs <= last[s.Labels] {
				t.Errorf("%s goes back from %d to %d", s.Labels, last[s.Labels], f.TimeMs)
			}
			last[s.Labels] = f.TimeMs
		}
	}
	if got != samples {
		t.Errorf("%d samples arrived, want %d", got, samples)
	}
}

func TestBacklogIsJoined(t *testing.T) {
	for _, c := range []struct {
		message, order    string
		n, series, wanted int // requests
	}{
		{MessageV1, InOrder, 200, 100, 8},    // of 1, 2, 4, ... 64 records and the rest
		{MessageV1, InOrder, 100, 1000, 9},   // of 1, 2, 4, 8, 16, and then 20, which are 20,000 samples
		{MessageV1, FreshFirst, 200, 100, 9}, // two logs: the last half minute first
		{MessageV2, InOrder, 50, 100, 50},
	} {
		for _, dir := range []string{"", t.TempDir()} {
			synctest.Test(t, func(t *testing.T) {
				cfg := config("http://example.org/write", c.message)
				cfg.Order = c.order
				most := 0
				r, rc := backlog(t, Options{SpoolDir: dir}, cfg, c.n, c.series, func(_ int, req request) reply {
					most = max(most, req.samples())
					return reply{status: 204}
				})
				stop := r.start()
				r.flush()
				if n := rc.count(); n != c.wanted || most > defaultRequestSamples {
					t.Errorf("%+v: %d requests of up to %d samples", c, n, most)
				}
				if c.order == InOrder {
					inOrder(t, rc, c.n*c.series)
				}
				if n := len(rc.got()); n != c.n*c.series {
					t.Errorf("%+v: %d samples arrived", c, n)
				}
				r.want("samples_delivered_total", float64(c.n*c.series))
				r.want("requests_total", float64(c.wanted), "code", "204")
				r.books()
				stop()
				r.closed()
			})
		}
	}
}

// Targets that are scraped at the same moment share requests, and none waits for another.
func TestTargetsOfOneMomentAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, rc := patient(t, Options{}, func(int, request) reply {
			time.Sleep(20 * time.Millisecond)
			return reply{status: 204}
		})
		r.apply(config("http://example.org/write", MessageV1))
		stop := r.start()
		var first int
		for round := range 20 {
			if round == 10 {
				first = rc.count()
			}
			now := nowMs()
			for i := range 10 {
				set := telemetry.NewSeriesSet([]labels.Labels{labels.FromStrings("__name__", "up", "instance", fmt.Sprint(i))}, make([]*telemetry.Metadata, 1))
				r.append(scrapeOf(target(fmt.Sprint(i)), set, now))
				if i == 0 {
					synctest.Wait() // it is sent at once
				}
			}
			time.Sleep(time.Second)
		}
		if n := rc.count() - first; n != 2*10 {
			t.Errorf("%d requests for ten rounds", n)
		}
		inOrder(t, rc, 200)
		r.books()
		stop()
	})
}

// A joined request is sent again as it is, whatever has come meanwhile.
func TestJoinedIsRetriedIdentically(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *rig
		r, rc := backlog(t, Options{}, config("http://example.org/write", MessageV1), 15, 10, func(n int, _ request) reply {
			if n >= 2 && n < 5 {
				r.append(scrapeOf(target(fmt.Sprint("u", n)), seriesSet(10), nowMs()+int64(n)))
				return reply{status: []int{503, 429, 500}[n-2]}
			}
			return reply{status: 204}
		})
		stop := r.start()
		r.flush()
		inOrder(t, rc, 18*10)
		if n := rc.count(); n != 8 { // of 1, 2, 4 (four times), 8 and 3 records
			t.Errorf("%d requests", n)
		}
		for i := 3; i <= 5; i++ {
			if !bytes.Equal(rc.requests[i].body, rc.requests[2].body) || rc.requests[i].samples() != 40 {
				t.Errorf("request %d is not the same as before", i)
			}
		}
		r.books()
		stop()
	})
}

func TestPoisonInAJoinedRequest(t *testing.T) {
	const n, series = 40, 200
	for _, at := range []int{0, 7, 14, 15, 20, 30, 39} { // of requests of 1, 2, 4, ... records
		synctest.Test(t, func(t *testing.T) {
			start, bad, refused := nowMs(), seriesSet(series).At(123).String(), 0
			r, rc := backlog(t, Options{QuarantineDir: t.TempDir()}, config("http://example.org/write", MessageV1), n, series, func(_ int, req request) reply {
				for _, s := range req.series {
					if s.Labels == bad && s.Floats[0].TimeMs == start+int64(at)*1000 {
						refused++
						return reply{status: 400, body: "invalid sample"}
					}
				}
				return reply{status: 204}
			})
			stop := r.start()
			r.flush()
			r.want("samples_quarantined_total", 1)
			r.want("samples_delivered_total", n*series-1)
			r.want("bisections_total", 1)
			inOrder(t, rc, n*series-1)
			// One by one it would have been n, and those that look for the series.
			if got := rc.count(); refused > 2+10 || got > n+maxBisect {
				t.Errorf("at %d: %d requests, %d of them refused", at, got, refused)
			}
			r.books()
			stop()
		})
	}
}

func TestTooLargeMakesSmallerJoinedRequests(t *testing.T) {
	for _, limit := range []int{3500, 1000, 150, 60, 30} { // samples
		synctest.Test(t, func(t *testing.T) {
			series := min(1000, limit)
			most, refused, large := 0, 0, 0
			r, rc := backlog(t, Options{}, config("http://example.org/write", MessageV1), 60, series, func(_ int, req request) reply {
				if req.samples() > limit {
					refused++
					return reply{status: 413}
				}
				if refused > 0 {
					most = max(most, req.samples())
				}
				if req.samples() > series {
					large++
				}
				return reply{status: 204}
			})
			stop := r.start()
			r.flush()
			inOrder(t, rc, 60*series)
			if limit == 3500 && (refused != 1 || most != 2000 || large < 25) || refused > 5 {
				t.Errorf("limit %d: %d refused, %d joined, up to %d samples", limit, refused, large, most)
			}
			r.books()
			stop()
		})
	}
}

// What is known to be refused goes by the side of others that wait, and is not asked for again.
func TestWhatIsKnownToBeRefusedIsNotJoined(t *testing.T) {
	for name, c := range map[string]struct {
		refuse  func(int, request) reply
		other   telemetry.Sample
		refused int // requests
	}{
		"poison": {poisoned("bad"), telemetry.Sample{Labels: labels.FromStrings("__name__", "bad", "a", "b")}, 2},
		"age":    {aged(time.Hour, 400), telemetry.Sample{TimeMs: -7_200_000}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			refused := 0
			r, rc := patient(t, Options{QuarantineDir: t.TempDir()}, func(n int, req request) reply {
				rep := c.refuse(n, req)
				if rep.status != 204 {
					refused++
				}
				return rep
			})
			r.apply(config("http://example.org/write", MessageV1))
			for i := range int64(18) {
				s := scrapeOf(target("a:1"), roundSet(1, 10), nowMs())
				if i%3 == 0 {
					s = scrapeOf(target("b:1"), roundSet(2, 10), nowMs())
					own := c.other
					if own.TimeMs < 0 {
						own.TimeMs -= 2000 * i
						own.Labels = labels.FromStrings("__name__", fmt.Sprint("old", i))
					}
					own.TimeMs += s.TimeMs
					s.Rest = append(s.Rest, own)
				}
				r.append(s)
				time.Sleep(time.Second)
			}
			stop := r.start()
			r.flush()
			stop()
			inOrder(t, rc, 180)
			if refused > c.refused {
				t.Errorf("%s: %d requests were refused, want %d", name, refused, c.refused)
			}
			r.books()
		})
	}
}
