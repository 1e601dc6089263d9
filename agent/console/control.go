package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"outrider/telemetry"
)

const (
	reloadTimeout = time.Minute

	defaultFlushTimeout = 10 * time.Second
	maxFlushTimeout     = 5 * time.Minute

	maxCaptureSeconds = 300
	// captureQueueTimeout is how long a capture may wait for others, beyond its own seconds.
	captureQueueTimeout = time.Minute
	// sendTimeout is how long an answer may take to be read once it is there.
	sendTimeout = 30 * time.Second
)

var errBusy = &Error{http.StatusServiceUnavailable, errors.New("too many requests at once; try again in a few seconds")}

// limit lets as many requests through at once as slots holds, and refuses the rest.
func (c *Console) limit(slots chan struct{}, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			h.ServeHTTP(w, r)
		default:
			c.metrics.refused.WithLabelValues("busy").Inc()
			w.Header().Set("Retry-After", "5")
			writeError(w, r, errBusy)
		}
	})
}

// enter takes the one place of slot, or says why not once ctx is done.
func enter(ctx context.Context, slot chan struct{}, what string) (leave func(), err error) {
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("another %s is under way: %w", what, ctx.Err())
	}
}

// takesUpTo bounds a handler that waits, and moves the deadline of its answer accordingly.
func takesUpTo(w http.ResponseWriter, r *http.Request, d time.Duration) (context.Context, context.CancelFunc) {
	// A recorder in a test has no deadline to move.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d + sendTimeout))
	return context.WithTimeout(r.Context(), d)
}

func (c *Console) health(word string, check func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := check(); err != nil {
			writeError(w, r, &Error{http.StatusServiceUnavailable, fmt.Errorf("not %s: %w", word, err)})
			return
		}
		writeText(w, http.StatusOK, word)
	})
}

func (c *Console) reload(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := takesUpTo(w, r, reloadTimeout)
	defer cancel()
	leave, err := enter(ctx, c.reloads, "reload")
	if err != nil {
		writeError(w, r, err)
		return
	}
	defer leave()
	if err := c.opts.Reload(ctx); err != nil {
		writeError(w, r, fmt.Errorf("configuration not changed: %w", err))
		return
	}
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, map[string]bool{"reloaded": true})
		return
	}
	writeText(w, http.StatusOK, "configuration loaded")
}

// FlushResult is the answer to POST /-/flush.
type FlushResult struct {
	// Error says why not everything was delivered; empty when it was.
	Error string `json:"error,omitempty"`
	// Endpoints are the queues after the flush.
	Endpoints []EndpointStatus `json:"endpoints"`
}

func (c *Console) flush(w http.ResponseWriter, r *http.Request) {
	timeout, err := flushTimeout(r.FormValue("timeout"))
	if err != nil {
		writeError(w, r, &Error{http.StatusBadRequest, err})
		return
	}
	ctx, cancel := takesUpTo(w, r, timeout)
	defer cancel()
	leave, err := enter(ctx, c.flushes, "flush")
	if err != nil {
		writeError(w, r, err)
		return
	}
	defer leave()
	err = c.opts.Flush(ctx)
	res := FlushResult{Endpoints: c.currentStatus().Endpoints}
	code := http.StatusOK
	if err != nil {
		res.Error = err.Error()
		code = http.StatusInternalServerError
		if errors.Is(err, context.DeadlineExceeded) {
			code = http.StatusGatewayTimeout
		}
	}
	if wantsJSON(r) {
		writeJSON(w, code, res)
		return
	}
	writeText(w, code, res.String())
}

// String says in a few lines what was flushed or what is left.
func (f FlushResult) String() string {
	var b strings.Builder
	b.WriteString("everything scraped is delivered")
	if f.Error != "" {
		b.Reset()
		b.WriteString("not everything is delivered: " + f.Error)
	}
	for _, e := range f.Endpoints {
		fmt.Fprintf(&b, "\n  %s %s: ", e.Kind, e.Name)
		if e.Queued == 0 {
			b.WriteString("empty")
		} else {
			fmt.Fprintf(&b, "%d left (%s)", e.Queued, Bytes(e.QueuedBytes))
		}
		if e.LastError != "" {
			b.WriteString(", " + e.LastError)
		}
	}
	return b.String()
}

func flushTimeout(s string) (time.Duration, error) {
	if s == "" {
		return defaultFlushTimeout, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > maxFlushTimeout {
		return 0, fmt.Errorf("timeout %q: want a duration up to %s, such as 10s", s, maxFlushTimeout)
	}
	return d, nil
}

// capture takes a profile now. The service is made to work for it, so no GET gets here.
// Targets and types that do not exist are for the profiler to refuse: it knows which do.
func (c *Console) capture(w http.ResponseWriter, r *http.Request) {
	target, typ := r.FormValue("target"), r.FormValue("type")
	seconds, err := captureSeconds(r.FormValue("seconds"))
	if err != nil {
		writeError(w, r, &Error{http.StatusBadRequest, err})
		return
	}
	c.limit(c.captures, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		longest := seconds
		if longest == 0 {
			longest = maxCaptureSeconds
		}
		ctx, cancel := takesUpTo(w, r, time.Duration(longest)*time.Second+captureQueueTimeout)
		defer cancel()
		data, t, err := c.opts.Capture(ctx, target, typ, seconds)
		if err != nil {
			writeError(w, r, captureError(err))
			return
		}
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", profileName(t, typ, c.now())))
		writeBytes(w, http.StatusOK, "application/octet-stream", data)
	})).ServeHTTP(w, r)
}

// captureError blames the service that was asked unless the error says otherwise.
func captureError(err error) error {
	if _, ok := errors.AsType[*Error](err); ok || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{http.StatusBadGateway, err}
}

// captureSeconds returns 0 for an empty s: as long as the type lasts by itself.
func captureSeconds(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxCaptureSeconds {
		return 0, fmt.Errorf("seconds %q: want a whole number from 1 to %d", s, maxCaptureSeconds)
	}
	return n, nil
}

// profileName makes a file name of plain characters: checkout-cpu-20060102T150405Z.pb.gz.
func profileName(t *telemetry.Target, typ string, at time.Time) string {
	plain := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}
	service := strings.TrimLeft(strings.Map(plain, t.Service()), ".")
	return fmt.Sprintf("%s-%s-%s.pb.gz", service, strings.Map(plain, typ), at.UTC().Format("20060102T150405Z"))
}
