package remotewrite

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// play answers with the replies in turn, and with 204 when there are no more.
func play(replies ...reply) func(int, request) reply {
	return func(n int, _ request) reply {
		if n < len(replies) {
			return replies[n]
		}
		return reply{status: 204}
	}
}

func times(n int, r reply) []reply { return slices.Repeat([]reply{r}, n) }

func TestAnswers(t *testing.T) {
	type books struct{ delivered, poison, tooOld, quarantined float64 }
	for _, c := range []struct {
		name     string
		message  string
		replies  []reply
		requests int // for two scrapes of four series; a suspect is tried apart in the second
		want     books
		retries  map[string]float64
		protocol string // at the end; message where empty
	}{
		{"accepted 1.0", MessageV1, nil, 2, books{delivered: 8}, nil, ""},
		{"accepted 2.0", MessageV2, nil, 2, books{delivered: 8}, nil, ""},
		{"accepted with 200", MessageV2, []reply{{status: 200}}, 2, books{delivered: 8}, nil, ""},
		{"overloaded", MessageV1, []reply{{status: 429}, {status: 503}, {status: 408}}, 5, books{delivered: 8}, map[string]float64{"429": 1, "503": 1, "408": 1}, ""},
		{"failing", MessageV2, times(9, reply{status: 500, body: "internal error"}), 11, books{delivered: 8}, map[string]float64{"500": 9}, ""},
		{"does not speak 2.0", MessageV2, []reply{{status: 415}}, 3, books{delivered: 8}, nil, MessageV1},
		{"speaks 1.0 and does not say so", MessageV2, []reply{{status: 204, noWritten: true}}, 3, books{delivered: 8}, nil, MessageV1},
		{"stops to speak 2.0", MessageV2, []reply{{status: 204}, {status: 200, noWritten: true}}, 3, books{delivered: 8}, nil, MessageV1},
		{"415 to 1.0", MessageV1, []reply{{status: 415}}, 3, books{delivered: 8}, map[string]float64{"415": 1}, ""},
		{"too large", MessageV1, []reply{{status: 413}}, 4, books{delivered: 8}, nil, ""},
		{"too large twice", MessageV2, []reply{{status: 413}, {status: 413}}, 6, books{delivered: 8}, nil, ""},
		{"one series too large", MessageV1, []reply{{status: 413}, {status: 413}, {status: 413}}, 6, books{delivered: 7, quarantined: 1}, nil, ""},
		{"too old", MessageV1, []reply{{status: 400, body: "too old sample"}}, 2, books{delivered: 4, tooOld: 4}, nil, ""},
		{"too old with 500", MessageV2, []reply{{status: 500, body: "out of bounds"}}, 2, books{delivered: 4, tooOld: 4}, nil, ""},
		{"first series is poison", MessageV1, []reply{{status: 400}, {status: 400}, {status: 400}}, 6, books{delivered: 7, quarantined: 1}, nil, ""},
		{"last series is poison", MessageV1, []reply{{status: 422}, {status: 204}, {status: 204}}, 5, books{delivered: 7, quarantined: 1}, nil, ""},
		{"poison with 500", MessageV1, []reply{{status: 500, body: "duplicate sample for timestamp"}, {status: 204}, {status: 204}}, 5, books{delivered: 7, quarantined: 1}, nil, ""},
		{"poison, then overloaded", MessageV1, []reply{{status: 400}, {status: 503}, {status: 204}, {status: 503}, {status: 204}}, 7, books{delivered: 7, quarantined: 1}, map[string]float64{"503": 2}, ""},
		{"poison, then old", MessageV1, []reply{{status: 400}, {status: 400, body: "too old sample"}, {status: 400, body: "too old sample"}}, 4, books{delivered: 4, tooOld: 4}, nil, ""},
		{"poison, then not 2.0", MessageV2, []reply{{status: 400}, {status: 415}}, 5, books{delivered: 8}, nil, MessageV1},
		{"no access", MessageV1, []reply{{status: 401}, {status: 403}, {status: 404}, {status: 405}, {status: 421}, {status: 301}, {status: 407}}, 9, books{delivered: 8},
			map[string]float64{"401": 1, "403": 1, "404": 1, "405": 1, "421": 1, "301": 1, "407": 1}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rc, url := served(t, play(c.replies...))
			r := newRig(t, Options{QuarantineDir: t.TempDir()})
			r.apply(config(url, c.message))
			r.append(scrapeOf(target("a:1"), seriesSet(4), t0), scrapeOf(target("a:1"), seriesSet(4), t0+1000))
			stop := r.start()
			r.flush()
			stop()
			if got := rc.count(); got != c.requests {
				t.Errorf("%d requests, want %d", got, c.requests)
			}
			got := books{
				r.sum("samples_delivered_total"), r.sum("samples_dropped_total", "reason", "poison"),
				r.sum("samples_dropped_total", "reason", "too_old"), r.sum("samples_quarantined_total"),
			}
			if got != c.want {
				t.Errorf("books %+v, want %+v\n%s", got, c.want, r.log)
			}
			r.books()
			r.want("samples_queued_total", 8)
			for reason, n := range c.retries {
				r.want("retries_total", n, "reason", reason)
			}
			total := 0.0
			for n := range maps.Values(c.retries) {
				total += n
			}
			r.want("retries_total", total)
			if c.protocol == "" {
				c.protocol = c.message
			}
			r.want("protocol_info", 1, "message", c.protocol)
			r.want("protocol_info", 1)
			r.want("misconfigured", 0)
			for k, n := range rc.got() {
				if n != 1 {
					t.Errorf("%s was delivered %d times", k, n)
				}
			}
			if n := len(rc.got()); float64(n) != c.want.delivered {
				t.Errorf("%d samples arrived, want %v", n, c.want.delivered)
			}
			st := r.Status()[0]
			if st.Protocol != c.protocol || st.Queued != 0 || st.LastError != "" || st.LastSuccess.IsZero() || st.Misconfigured {
				t.Errorf("status %+v", st)
			}
		})
	}
}

func TestRetryIsIdentical(t *testing.T) {
	rc, url := served(t, play(times(3, reply{status: 503})...))
	r := newRig(t, Options{})
	cfg := config(url, MessageV2)
	cfg.Headers = map[string]string{"X-Scope-OrgID": "shop", "User-Agent": "not me", "Content-Encoding": "gzip", "Host": "example.org"}
	r.apply(cfg)
	r.append(scrapeOf(target("a:1"), seriesSet(100), t0))
	r.start()
	r.flush()
	if rc.count() != 4 {
		t.Fatalf("%d requests", rc.count())
	}
	for i, req := range rc.requests {
		want := ""
		if i > 0 {
			want = fmt.Sprint(i)
		}
		if got := req.header.Get("Retry-Attempt"); got != want {
			t.Errorf("request %d: Retry-Attempt %q", i, got)
		}
		if string(req.body) != string(rc.requests[0].body) {
			t.Errorf("request %d differs from the first", i)
		}
		if req.header.Get("X-Scope-OrgID") != "shop" || req.header.Get("User-Agent") != "outrider/test" {
			t.Errorf("headers %v", req.header)
		}
	}
}

func TestInOrderOneInFlight(t *testing.T) {
	var inFlight atomic.Int32
	last := make(map[string]int64)
	_, url := served(t, func(n int, req request) reply {
		if inFlight.Add(1) != 1 {
			t.Error("two requests are in flight")
		}
		defer inFlight.Add(-1)
		if n%3 == 1 {
			return reply{status: 503}
		}
		for _, s := range req.series {
			for _, f := range s.Floats {
				if f.TimeMs <= last[s.Labels] {
					t.Errorf("%s goes back to %d", s.Labels, f.TimeMs)
				}
				last[s.Labels] = f.TimeMs
			}
		}
		return reply{status: 204}
	})
	r := newRig(t, Options{})
	r.apply(config(url, MessageV1))
	r.start()
	a, b, set := target("a:1"), target("b:1"), seriesSet(5)
	other := telemetry.NewSeriesSet([]labels.Labels{labels.FromStrings("__name__", "b")}, make([]*telemetry.Metadata, 1))
	for i := range int64(50) {
		r.append(scrapeOf(a, set, t0+i*1000), scrapeOf(b, other, t0+i*1000))
	}
	r.flush()
	r.want("samples_delivered_total", 300)
	r.want("highest_sent_timestamp_seconds", float64(t0+49_000)/1000)
	r.books()
}

func TestTranslateBacklog(t *testing.T) {
	// What was queued as 2.0 arrives as 1.0, at whichever response the receiver is found out.
	for found := range 4 {
		rc, url := served(t, func(n int, req request) reply {
			return reply{status: 204, noWritten: req.v2 && n >= found}
		})
		r := newRig(t, Options{})
		r.apply(config(url, MessageV2))
		tgt, set := target("a:1"), seriesSet(10)
		for i := range int64(4) {
			s := scrapeOf(tgt, set, t0+i*1000)
			s.Rest = []telemetry.Sample{{Labels: set.At(3), Kind: telemetry.KindExemplar, Exemplars: []exemplar.Exemplar{{Labels: labels.FromStrings("a", "b"), Value: float64(i), Ts: s.TimeMs, HasTs: true}}}}
			r.append(s)
		}
		r.start()
		r.flush()
		r.append(scrapeOf(tgt, set, t0+9000)) // encoded as 1.0 at once
		r.flush()
		if n := rc.count(); n != 6 {
			t.Errorf("%d requests", n)
		}
		r.want("samples_delivered_total", 50)
		r.want("exemplars_delivered_total", 4)
		r.books()
		if got := rc.got(); len(got) != 50 {
			t.Errorf("%d samples arrived", len(got))
		}
		for i, p := range rc.taken {
			if i%10 == 3 && i < 40 && len(p.Exemplars) != 1 {
				t.Errorf("found out at %d: series %s lost its exemplar", found, p.Labels)
			}
		}
	}
}

func TestTooLargeMakesSmallerRequests(t *testing.T) {
	rc, url := served(t, func(_ int, req request) reply {
		if req.samples() > 300 {
			return reply{status: 413, body: "too large"}
		}
		return reply{status: 204}
	})
	r := newRig(t, Options{})
	r.apply(config(url, MessageV2))
	r.start()
	tgt, set := target("a:1"), seriesSet(1000)
	r.append(scrapeOf(tgt, set, t0))
	r.flush()
	before := rc.count()
	r.append(scrapeOf(tgt, set, t0+1000))
	r.flush()
	if n := rc.count() - before; n != 4 {
		t.Errorf("%d requests for the second scrape, want 4 of 250", n)
	}
	r.want("samples_delivered_total", 2000)
	r.want("requests_total", 3, "code", "413")
	// Another configuration may mean another receiver, which is tried with large ones again.
	again := config(url, MessageV1)
	r.apply(again)
	r.append(scrapeOf(tgt, set, t0+2000))
	r.flush()
	r.want("requests_total", 6, "code", "413")
	r.books()
}

func TestReceiverWritesLess(t *testing.T) {
	_, url := served(t, play(reply{status: 204, short: 3}))
	r := newRig(t, Options{})
	r.apply(config(url, MessageV2))
	r.append(scrapeOf(target("a:1"), seriesSet(5), t0))
	r.start()
	r.flush()
	r.want("samples_not_written_total", 3)
	r.want("samples_delivered_total", 5)
	r.books()
}

func TestBadExemplarsAreStripped(t *testing.T) {
	rc, url := served(t, func(_ int, req request) reply {
		for _, s := range req.series {
			if len(s.Exemplars) > 0 {
				return reply{status: 400, body: "out of order exemplar for series " + s.Labels}
			}
		}
		return reply{status: 204}
	})
	r := newRig(t, Options{QuarantineDir: t.TempDir()})
	r.apply(config(url, MessageV2))
	s := scrapeOf(target("a:1"), seriesSet(5), t0)
	s.Rest = []telemetry.Sample{{Labels: s.Series.At(3), Kind: telemetry.KindExemplar, Exemplars: []exemplar.Exemplar{{Value: 1, Ts: t0, HasTs: true}}}}
	r.append(s)
	r.start()
	r.flush()
	r.want("samples_delivered_total", 5)
	r.want("exemplars_dropped_total", 1)
	r.want("exemplars_delivered_total", 0)
	if rc.count() != 2 {
		t.Errorf("%d requests", rc.count())
	}
	r.books()
}

func TestRedirects(t *testing.T) {
	rc, url := served(t, nil)
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	defer login.Close()
	var status atomic.Int32
	var to atomic.Pointer[string]
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, *to.Load(), int(status.Load()))
	}))
	defer proxy.Close()

	status.Store(302)
	to.Store(&login.URL)
	r := newRig(t, Options{})
	r.apply(config(proxy.URL, MessageV1))
	r.append(scrapeOf(target("a:1"), seriesSet(5), t0))
	r.start()
	waitFor(t, func() bool { return r.sum("requests_total", "code", "302") > 1 })
	r.want("samples_delivered_total", 0) // not by the 200 of a login page
	r.want("misconfigured", 1, "reason", "302 Found")

	to.Store(&url)
	status.Store(308)
	r.flush()
	r.want("samples_delivered_total", 5)
	r.want("misconfigured", 0)
	if len(rc.got()) != 5 {
		t.Errorf("%d samples arrived", len(rc.got()))
	}
}

func TestNoAnswer(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	rc, url := served(t, nil)
	r := newRig(t, Options{})
	r.apply(config(gone.URL+"/write?shop=5", MessageV1))
	r.append(scrapeOf(target("a:1"), seriesSet(5), t0))
	r.start()
	waitFor(t, func() bool { return r.sum("retries_total", "reason", "network") > 2 })
	if st := r.Status()[0]; !strings.Contains(st.LastError, "connection refused") || strings.Contains(st.LastError, "shop=5") || st.Misconfigured {
		t.Errorf("status %+v", st)
	}
	if r.sum("requests_total", "code", "error") < 3 {
		t.Error("requests without an answer are not counted")
	}
	r.apply(config(url, MessageV1))
	r.flush()
	if len(rc.got()) != 5 {
		t.Errorf("%d samples arrived", len(rc.got()))
	}
	r.books()
}

// waitFor waits for another goroutine, which needs no more than a moment.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 10_000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("it does not happen")
}
