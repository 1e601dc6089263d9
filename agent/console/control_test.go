package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"outrider/telemetry"
)

func TestReload(t *testing.T) {
	opts := options()
	opts.Reload = func(context.Context) error { return errors.New(`outrider.yml:1: scrape_config: unknown key`) }
	c := run(t, opts)
	url := "http://" + c.Addr() + "/-/reload"
	wantAnswer(t, ask(t, http.DefaultClient, "POST", url), 500, "outrider.yml:1: scrape_config: unknown key")
	got := ask(t, http.DefaultClient, "GET", url)
	wantAnswer(t, got, 405, "use POST")
	if allow := got.header.Get("Allow"); allow != "POST, PUT" {
		t.Errorf("Allow is %q", allow)
	}
}

func TestFlush(t *testing.T) {
	opts := options()
	var left error
	var until time.Duration
	opts.Flush = func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		until = time.Until(deadline)
		return left
	}
	c := run(t, opts)
	url := "http://" + c.Addr() + "/-/flush"

	wantAnswer(t, ask(t, http.DefaultClient, "POST", url), 200, "everything scraped is delivered\n  remote_write prom: empty")
	if until <= 0 || until > defaultFlushTimeout {
		t.Errorf("flush got %v", until)
	}
	wantAnswer(t, ask(t, http.DefaultClient, "POST", url+"?timeout=2m"), 200, "")
	if until <= defaultFlushTimeout || until > 2*time.Minute {
		t.Errorf("flush got %v of two minutes", until)
	}
	for _, bad := range []string{"10", "-1s", "0s", "6m", "soon"} {
		wantAnswer(t, ask(t, http.DefaultClient, "POST", url+"?timeout="+bad), 400, "want a duration up to 5m0s")
	}
	left = fmt.Errorf("pyro: 3 left: %w", context.DeadlineExceeded)
	wantAnswer(t, ask(t, http.DefaultClient, "POST", url), 504, "not everything is delivered: pyro: 3 left: context deadline exceeded")
	got := ask(t, http.DefaultClient, "POST", url, "Accept: application/json")
	var res FlushResult
	if err := json.Unmarshal([]byte(got.body), &res); err != nil {
		t.Fatal(err)
	}
	if got.code != 504 || res.Error == "" || len(res.Endpoints) != 3 || res.Endpoints[1].Queued != 3 {
		t.Errorf("got %d %+v", got.code, res)
	}
}

func TestCapture(t *testing.T) {
	type call struct {
		target, typ string
		seconds     int
	}
	var calls []call
	var fail error
	opts := options()
	opts.Capture = func(_ context.Context, target, typ string, seconds int) ([]byte, *telemetry.Target, error) {
		calls = append(calls, call{target, typ, seconds})
		return []byte("\x1f\x8bpprof"), newTarget("../shop/é", "pod-1:8080"), fail
	}
	c := run(t, opts)
	c.now = func() time.Time { return at }
	url := "http://" + c.Addr() + "/api/v1/profile"

	got := ask(t, http.DefaultClient, "GET", url+"?target=shop&type=cpu")
	wantAnswer(t, got, 405, "curl -X POST")
	if allow := got.header.Get("Allow"); allow != "POST" {
		t.Errorf("Allow is %q", allow)
	}
	wantAnswer(t, ask(t, http.DefaultClient, "HEAD", url+"?target=shop&type=cpu"), 405, "")
	for query, want := range map[string]string{
		"?target=shop&type=cpu&seconds=0":   "want a whole number from 1 to 300",
		"?target=shop&type=cpu&seconds=301": "want a whole number from 1 to 300",
		"?target=shop&type=cpu&seconds=1s":  "want a whole number from 1 to 300",
	} {
		wantAnswer(t, ask(t, http.DefaultClient, "POST", url+query), 400, want)
	}
	if calls != nil {
		t.Errorf("bad requests captured %v", calls)
	}

	got = ask(t, http.DefaultClient, "POST", url+"?target=shop&type=cpu&seconds=7")
	wantAnswer(t, got, 200, "\x1f\x8bpprof")
	if cd := got.header.Get("Content-Disposition"); cd != `attachment; filename="_shop__-cpu-20260304T050607Z.pb.gz"` {
		t.Errorf("Content-Disposition is %s", cd)
	}
	wantAnswer(t, ask(t, http.DefaultClient, "POST", url+"?target=shop/x&type=memory"), 200, "")
	if diff := cmp.Diff([]call{{"shop", "cpu", 7}, {"shop/x", "memory", 0}}, calls, cmp.AllowUnexported(call{})); diff != "" {
		t.Error(diff)
	}

	for _, tc := range []struct {
		err  error
		code int
	}{
		{&Error{http.StatusNotFound, errors.New("unknown target")}, 404},
		{fmt.Errorf("capture: %w", &Error{http.StatusConflict, errors.New("busy")}), 409},
		{errors.New("connection refused"), 502},
		{context.DeadlineExceeded, 504},
	} {
		fail = tc.err
		got := ask(t, http.DefaultClient, "POST", url+"?target=shop&type=cpu")
		wantAnswer(t, got, tc.code, tc.err.Error())
		if cd := got.header.Get("Content-Disposition"); cd != "" {
			t.Errorf("a failure is offered as a file: %s", cd)
		}
	}
}

func TestCapturesAreBounded(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	opts := options()
	opts.Capture = func(context.Context, string, string, int) ([]byte, *telemetry.Target, error) {
		started <- struct{}{}
		<-release
		return nil, newTarget("shop", "a:1"), nil
	}
	c := run(t, opts)
	url := "http://" + c.Addr() + "/api/v1/profile?target=shop&type=cpu"
	done := make(chan int, maxCaptures)
	for range maxCaptures {
		go func() { done <- ask(t, http.DefaultClient, "POST", url).code }()
		<-started
	}
	got := ask(t, http.DefaultClient, "POST", url)
	wantAnswer(t, got, 503, "too many requests")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(release)
	for range maxCaptures {
		if code := <-done; code != 200 {
			t.Errorf("one that was let in got %d", code)
		}
	}
	if n := testutil.ToFloat64(c.metrics.refused.WithLabelValues("busy")); n != 1 {
		t.Errorf("counted %v refused", n)
	}
}

// Flushes take turns, and one whose time is up before its turn says why.
func TestFlushesTakeTurns(t *testing.T) {
	started, release := make(chan struct{}, 2), make(chan struct{})
	opts := options()
	opts.Flush = func(context.Context) error {
		started <- struct{}{}
		<-release
		return nil
	}
	c := run(t, opts)
	url := "http://" + c.Addr() + "/-/flush"
	first := make(chan answer, 1)
	go func() { first <- ask(t, http.DefaultClient, "POST", url) }()
	<-started
	wantAnswer(t, ask(t, http.DefaultClient, "POST", url+"?timeout=20ms"), 504, "another flush is under way")
	close(release)
	wantAnswer(t, <-first, 200, "delivered")
	if len(started) != 0 {
		t.Error("the second flush ran beside the first")
	}
}
