package load

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service answers in memory.
type service func(*http.Request) (code int, err error)

func (s service) RoundTrip(r *http.Request) (*http.Response, error) {
	code, err := s(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("text")), Request: r}, nil
}

func answer(code int, after time.Duration) service {
	return func(r *http.Request) (int, error) {
		select {
		case <-time.After(after):
			return code, nil
		case <-r.Context().Done():
			return 0, r.Context().Err()
		}
	}
}

func runFor(t *testing.T, d time.Duration, s service, change func(*Config)) Summary {
	t.Helper()
	cfg := Config{Target: "http://shop/", Rate: 100, For: d, Seed: 1, Transport: s}
	if change != nil {
		change(&cfg)
	}
	sum, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestRunKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := runFor(t, 10*time.Second, answer(200, 30*time.Millisecond), nil)
		if s.Requests != 1000 || s.Codes[200] != 1000 || s.Errors != 0 || s.Dropped != 0 {
			t.Errorf("%v, want 1000 requests", s)
		}
		if took := time.Since(start); took != 9990*time.Millisecond+30*time.Millisecond {
			t.Errorf("the run took %v, want until the last request is answered", took)
		}
		for name, got := range map[string]time.Duration{"p50": s.P50, "p99": s.P99, "max": s.Max} {
			if got != 30*time.Millisecond {
				t.Errorf("%s is %v, want 30ms", name, got)
			}
		}
	})
}

func TestRunDoesNotWaitForASlowService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := runFor(t, 10*time.Second, answer(200, 5*time.Second), func(c *Config) { c.MaxInFlight = 10 })
		// Two rounds of ten, and the rest is due when all slots are taken.
		if s.Requests != 20 || s.Dropped != 980 {
			t.Errorf("%v, want 20 requests and 980 dropped", s)
		}
	})
}

func TestErrorsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			name    string
			service service
			code    int
			errors  int
			last    string
		}{
			{"unavailable", answer(503, 0), 503, 100, "status 503"},
			{"not found", answer(404, 0), 404, 0, ""},
			{"refused", func(*http.Request) (int, error) { return 0, errors.New("refused") }, 0, 100, "refused"},
			{"hangs", answer(200, time.Hour), 0, 100, "deadline exceeded"},
		} {
			s := runFor(t, time.Second, tc.service, func(c *Config) { c.Timeout = time.Second; c.MaxInFlight = 1000 })
			if s.Requests != 100 || s.Errors != tc.errors || tc.code != 0 && s.Codes[tc.code] != 100 || !strings.Contains(s.LastError, tc.last) {
				t.Errorf("%s: %v", tc.name, s)
			}
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 950*time.Millisecond)
		defer cancel()
		s, err := Run(ctx, Config{Target: "http://shop", Rate: 10, Transport: answer(200, 100*time.Millisecond)})
		if err != nil {
			t.Fatal(err)
		}
		if s.Requests != 10 || s.Errors != 0 {
			t.Errorf("%v, want 10 requests answered, the last one too", s)
		}
	})
}

func TestRequestsOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu  sync.Mutex
			got []Request
		)
		s := func(r *http.Request) (int, error) {
			var body []byte
			if r.Body != nil {
				body, _ = io.ReadAll(r.Body)
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, Request{r.Method, r.URL.RequestURI(), string(body), r.Header.Get("Traceparent")})
			return 200, nil
		}
		runFor(t, 2*time.Second, s, func(c *Config) { c.Prefix = "run" })
		if want := take(NewMix(1, "run"), 200); !slices.Equal(got, want) {
			t.Errorf("the service got %d other requests than the mix has", len(got))
		}
	})
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []int
		runFor(t, 11*time.Second, answer(200, 0), func(c *Config) {
			c.ProgressEvery = 5 * time.Second
			c.Progress = func(s Summary) { seen = append(seen, s.Requests) }
		})
		if len(seen) != 2 || seen[0] < 499 || seen[0] > 501 || seen[1] < 999 || seen[1] > 1001 {
			t.Errorf("progress was reported at %v requests, want at 500 and 1000", seen)
		}
	})
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var switched []string
		s := func(r *http.Request) (int, error) {
			if strings.HasPrefix(r.URL.Path, "/faults/") {
				switched = append(switched, r.Method+" "+r.URL.RequestURI())
			}
			return 200, nil
		}
		runFor(t, time.Second, s, func(c *Config) { c.Faults = []string{"heap-leak", "cpu-burn=10"} })
		want := []string{
			"POST /faults/heap-leak?on=true", "POST /faults/cpu-burn?level=10&on=true",
			"POST /faults/heap-leak?on=false", "POST /faults/cpu-burn?on=false",
		}
		if !slices.Equal(switched, want) {
			t.Errorf("switched %q, want %q", switched, want)
		}

		refuse := service(func(*http.Request) (int, error) { return 404, nil })
		_, err := Run(t.Context(), Config{Target: "http://shop", Rate: 1, Faults: []string{"bad"}, Transport: refuse})
		if err == nil || err.Error() != "switch fault bad: text" {
			t.Errorf("a fault that cannot be switched: %v", err)
		}
	})
}

func TestBadConfig(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{Target: "127.0.0.1:8080", Rate: 1}, "target: "},
		{Config{Target: "shop", Rate: 1}, `target "shop": it must be a URL`},
		{Config{Target: "http://shop"}, "rate 0: it must be above 0"},
		{Config{Target: "http://shop", Rate: -1}, "rate -1"},
		{Config{Target: "http://shop", Rate: math.NaN()}, "rate NaN"},
		{Config{Target: "http://shop", Rate: math.Inf(1)}, "rate +Inf"},
		{Config{Target: "http://shop", Rate: 1, For: -1}, "a negative duration"},
	} {
		if _, err := Run(t.Context(), tc.cfg); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %s", tc.cfg, err, tc.want)
		}
	}
}

func TestSummaryOnOneLine(t *testing.T) {
	s := Summary{
		Requests: 20, Errors: 2, Dropped: 1, Codes: map[int]int{503: 2, 200: 18},
		P50: 2 * time.Millisecond, P99: 50 * time.Millisecond, Max: time.Second, Elapsed: 2 * time.Second, LastError: "status 503",
	}
	want := "20 requests in 2s (10.0/s), 2 errors, 1 dropped, p50 2ms, p99 50ms, max 1s, 200: 18, 503: 2; last error: status 503"
	if got := s.String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestQuantiles(t *testing.T) {
	var l latencies
	if q := l.quantile(.5); q != 0 {
		t.Errorf("the median of nothing is %v", q)
	}
	for i := range 1000 {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{.5: 500 * time.Millisecond, .99: 990 * time.Millisecond, 1: time.Second} {
		if got := l.quantile(q); got < want || got > want*102/100 {
			t.Errorf("quantile %v is %v, want %v and at most 2%% more", q, got, want)
		}
	}
	l.add(24 * time.Hour) // beyond the last bucket
	if got := l.quantile(1); got <= 0 || got > 24*time.Hour || l.max != 24*time.Hour {
		t.Errorf("an enormous latency gives %v, max %v", got, l.max)
	}
}
