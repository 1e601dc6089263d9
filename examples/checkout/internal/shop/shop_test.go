package shop

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testSizes are the ordinary ones without latencies and declined payments.
func testSizes() sizes {
	sz := defaultSizes()
	sz.pace, sz.declined = 0, 0
	return sz
}

// newTestShop makes a shop without workers and deliveries, which a test runs as it needs them.
func newTestShop(t *testing.T, sz sizes) (*shop, http.Handler) {
	t.Helper()
	s := newShop(slog.New(slog.DiscardHandler), 1, sz)
	t.Cleanup(s.faults.Close)
	return s, s.handler()
}

// runWorkers settles orders until the test ends.
func runWorkers(t *testing.T, s *shop) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.settler.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func do(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

// want checks an answer: its status, and a piece of its body.
func want(t *testing.T, w *httptest.ResponseRecorder, code int, body string) {
	t.Helper()
	if w.Code != code || !strings.Contains(w.Body.String(), body) {
		t.Fatalf("answered %d %s\nwant %d and %q", w.Code, w.Body, code, body)
	}
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

// eventually waits for something that happens in the background.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("waited in vain until %s", what)
}
