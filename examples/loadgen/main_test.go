package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestRun(t *testing.T) {
	var faults, requests atomic.Int32
	shop := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/faults/cpu-burn" {
			faults.Add(1)
			return
		}
		requests.Add(1)
	}))
	defer goleak.VerifyNone(t)
	defer shop.Close()
	if err := run(t.Context(), []string{"-target", shop.URL, "-rps", "50", "-for", "200ms", "-faults", "cpu-burn=3", "-v"}); err != nil {
		t.Error(err)
	}
	if f, r := faults.Load(), requests.Load(); f != 2 || r != 10 {
		t.Errorf("the shop got %d requests and its fault was switched %d times, want 10 and twice", r, f)
	}
}

func TestRunThatIsOfNoUse(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for want, args := range map[string][]string{
		"no request succeeded":         {"-target", gone.URL, "-for", "20ms"},
		`unexpected argument "http:x"`: {"http:x"},
	} {
		if err := run(context.Background(), args); err == nil || err.Error() != want {
			t.Errorf("%q returned %v, want %s", args, err, want)
		}
	}
}
