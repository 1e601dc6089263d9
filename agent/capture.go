package agent

import (
	"context"
	"errors"
	"net/http"

	"outrider/agent/console"
	"outrider/profiler"
	"outrider/telemetry"
)

// capture takes a profile for a person, and tells the console what kind of mistake an error
// is.
func (a *Agent) capture(ctx context.Context, target, typ string, seconds int) ([]byte, *telemetry.Target, error) {
	data, t, err := a.profiler.Capture(ctx, target, typ, seconds)
	if code := captureStatus(err); code != 0 {
		return nil, nil, &console.Error{Code: code, Err: err}
	}
	return data, t, err
}

// captureStatus is zero for errors that are not the asker's.
func captureStatus(err error) int {
	if err == nil {
		return 0
	}
	if _, ok := errors.AsType[*profiler.UnknownTargetError](err); ok {
		return http.StatusNotFound
	}
	if _, ok := errors.AsType[*profiler.AmbiguousTargetError](err); ok {
		return http.StatusConflict
	}
	if _, ok := errors.AsType[*profiler.UnknownTypeError](err); ok {
		return http.StatusBadRequest
	}
	if _, ok := errors.AsType[*profiler.SecondsError](err); ok {
		return http.StatusBadRequest
	}
	if errors.Is(err, profiler.ErrBusy) {
		return http.StatusConflict
	}
	return 0
}
