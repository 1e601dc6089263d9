package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"outrider/bench/internal/target"
)

// wire is one sample of a request to be built.
type wire struct {
	name, instance string
	value          float64
	millis         int64
}

func stale(name, instance string, millis int64) wire {
	return wire{name, instance, math.Float64frombits(staleBits), millis}
}

func field(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func (w wire) sample() []byte {
	b := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), math.Float64bits(w.value))
	return protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(w.millis))
}

// message builds a message of one series a sample.
func message(v2 bool, samples ...wire) []byte {
	var msg []byte
	symbols := []string{"", "__name__", "instance"}
	for i, w := range samples {
		var series []byte
		if v2 {
			var refs []byte
			for _, n := range []int{1, 3 + 2*i, 2, 4 + 2*i} {
				refs = protowire.AppendVarint(refs, uint64(n))
			}
			symbols = append(symbols, w.name, w.instance)
			msg = field(msg, 5, field(field(series, 1, refs), 2, w.sample()))
			continue
		}
		for _, l := range [][2]string{{"__name__", w.name}, {"instance", w.instance}} {
			series = field(series, 1, field(field(nil, 1, []byte(l[0])), 2, []byte(l[1])))
		}
		msg = field(msg, 1, field(series, 2, w.sample()))
	}
	if v2 { // after the series, which is as good
		for _, s := range symbols {
			msg = field(msg, 4, []byte(s))
		}
	}
	return msg
}

func pack(t *testing.T, p Protocol, samples ...wire) []byte {
	t.Helper()
	msg := message(p == V2, samples...)
	if p != Zstd {
		return snappy.Encode(nil, msg)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll(msg, nil)
}

// scrape is what arrives of a target with a few series.
func scrape(serial int, millis int64, names ...string) []wire {
	const instance = "pod-1:8080"
	all := []wire{{target.Marker, instance, float64(serial), millis}, {"up", instance, 1, millis}, {"scrape_duration_seconds", instance, 0.01, millis}}
	for _, name := range names {
		all = append(all, wire{name, instance, 42, millis})
	}
	return all
}

func TestCheckCounts(t *testing.T) {
	for _, p := range []Protocol{V1, V2, Zstd} {
		t.Run(p.String(), func(t *testing.T) {
			c := newChecker()
			var bytes int64
			add := func(within bool, samples ...wire) {
				body := pack(t, p, samples...)
				if within {
					bytes += int64(len(body))
				}
				c.add(request{protocol: p, body: body}, within)
			}
			add(false, scrape(1, 1000, "a_total", "b_total")...)
			second := scrape(2, 2000, "a_total", "b_total")
			add(true, second[:2]...) // in two requests
			add(true, second[2:]...)
			add(true, append(scrape(3, 3000, "a_total", "c_total"), stale("b_total", "pod-1:8080", 3000))...)
			want := Check{
				Requests: 3, Bytes: bytes, Samples: 6, Own: 6, Stale: 1,
				Scrapes:   map[string][]Kept{"8080": {{1, 1000, 3}, {2, 2000, 3}, {3, 3000, 3}}},
				Protocols: map[string]int{p.String(): 4},
			}
			if diff := cmp.Diff(want, c.finish()); diff != "" {
				t.Errorf("got + want -:\n%s", diff)
			}
		})
	}
}

func TestCheckSeesRepeats(t *testing.T) {
	for _, p := range []Protocol{V1, V2, Zstd} {
		c := newChecker()
		c.add(request{protocol: p, body: pack(t, p, scrape(1, 1000, "a_total")...)}, true)
		c.add(request{protocol: p, body: pack(t, p, scrape(2, 2000, "a_total")...)}, true)
		// The same series and timestamp, with another value and another order of series.
		c.add(request{protocol: p, body: pack(t, p, wire{"a_total", "pod-1:8080", 1, 1000}, wire{"up", "pod-1:8080", 1, 2000})}, true)
		if got := c.finish(); got.Repeats != 2 {
			t.Errorf("%s: %d repeats, want 2", p, got.Repeats)
		}
	}
}

func TestCheckSeesDamage(t *testing.T) {
	c := newChecker()
	body := pack(t, V1, scrape(1, 1000)...)
	c.add(request{protocol: V1, body: body}, true)
	c.add(request{protocol: V1, body: body[:len(body)-3]}, true)
	c.add(request{protocol: V2, body: snappy.Encode(nil, field(nil, 5, field(nil, 1, []byte{1, 9})))}, true)
	got := c.finish()
	if got.Bad != 2 || got.FirstBad == "" || got.Samples != 1 {
		t.Errorf("got %d bad requests (%s) and %d samples, want 2 and 1", got.Bad, got.FirstBad, got.Samples)
	}
}

func TestCompare(t *testing.T) {
	const series = 3
	at := func(seconds float64) time.Time { return time.UnixMilli(int64(seconds * 1000)) }
	served := func(seconds ...float64) []target.Body {
		var all []target.Body
		for i, s := range seconds {
			all = append(all, target.Body{Serial: i + 1, Millis: at(s).UnixMilli(), Whole: true})
		}
		return all
	}
	kept := func(samples ...int) []Kept {
		var all []Kept
		for i, n := range samples {
			all = append(all, Kept{Serial: i + 1, Millis: int64(i), Samples: n})
		}
		return all
	}
	cut := served(1, 2, 3, 4)
	cut[2].Whole = false
	tests := []struct {
		name   string
		served []target.Body
		kept   []Kept
		want   Missing
	}{
		{"all there", served(1, 2, 3, 4), kept(3, 3, 3, 3), Missing{}},
		{"late and early", served(1, 2.4, 2.9, 4.3), kept(3, 3, 3, 3), Missing{}},
		{"one did not arrive", served(1, 2, 3, 4), []Kept{{1, 1, 3}, {2, 2, 3}, {4, 4, 3}}, Missing{Lost: 1}},
		{"one lacks a series", served(1, 2, 3, 4), kept(3, 2, 3, 3), Missing{Lost: 1}},
		{"one was cut and not sent", cut, []Kept{{1, 1, 3}, {2, 2, 3}, {4, 4, 3}}, Missing{}},
		{"one came twice", served(1, 2, 3, 4), append(kept(3, 3, 3, 3), Kept{2, 9, 3}), Missing{Wrong: 1}},
		{"one without its number", served(1, 2, 3, 4), []Kept{{1, 1, 3}, {0, 2, 2}, {3, 3, 3}, {4, 4, 3}}, Missing{Lost: 1, Wrong: 1}},
		{"one was not made", served(1, 2, 4), kept(3, 3, 3), Missing{Skipped: 1}},
		{"none at the end", served(1, 2), kept(3, 3), Missing{Skipped: 2}},
		{"none at all", nil, nil, Missing{Skipped: 3}},
		{"lost before and after", served(1, 2, 3, 4, 5), []Kept{{2, 2, 3}, {3, 3, 3}, {4, 4, 3}}, Missing{}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if got := Compare(tc.served, tc.kept, series, time.Second, at(1.5), at(4.6)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestServer(t *testing.T) {
	s, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	post := func(p Protocol, body []byte) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Address()+"/api/v1/write", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Encoding", "snappy")
		req.Header.Set("Content-Type", "application/x-protobuf")
		switch p {
		case Zstd:
			req.Header.Set("Content-Encoding", "zstd")
		case V2:
			req.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp
	}
	from := time.Now()
	for i, p := range []Protocol{V1, Zstd, V2} {
		resp := post(p, pack(t, p, scrape(i+1, int64(1000*i), "a_total")...))
		if resp.StatusCode != http.StatusNoContent {
			t.Errorf("%s: answer %s", p, resp.Status)
		}
		want := map[bool]string{true: "4"}[p == V2]
		if got := resp.Header.Get("X-Prometheus-Remote-Write-Samples-Written"); got != want {
			t.Errorf("%s: says %q samples were written, want %q", p, got, want)
		}
	}
	if resp := post(V2, []byte("no snappy")); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a damaged 2.0 request is answered %s, want 400", resp.Status)
	}
	resp, err := client.Get(fmt.Sprintf("http://%s/check?from=%d&to=%d", s.Address(), from.UnixNano(), time.Now().UnixNano()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got Check
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Requests != 3 || got.Samples != 6 || got.Own != 6 || got.Repeats != 0 || got.Bad != 0 || len(got.Scrapes["8080"]) != 3 {
		t.Errorf("check is %+v", got)
	}
	if resp := post(V1, pack(t, V1, scrape(9, 9000)...)); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a request after the count is answered %s, want 503", resp.Status)
	}
}

func FuzzWalk(f *testing.F) {
	for _, v2 := range []bool{false, true} {
		msg := message(v2, scrape(1, 1000, "a_total")...)
		f.Add(v2, msg)
		f.Add(v2, msg[:len(msg)/2])
	}
	f.Add(true, field(nil, 5, field(nil, 1, []byte{1, 9})))
	f.Fuzz(func(t *testing.T, v2 bool, msg []byte) {
		samples := 0
		if _, err := walk(msg, v2, func(*point) { samples++ }); err == nil && samples > len(msg) {
			t.Errorf("%d samples in %d bytes", samples, len(msg))
		}
	})
}
