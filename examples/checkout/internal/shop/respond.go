package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"

	"outrider/examples/checkout/internal/db"
)

const (
	maxBody   = 16 << 10 // bytes of a request
	longestID = 64       // bytes of an identifier that a client chose
)

// statusError is an error that the client is told as it is.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &statusError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &statusError{http.StatusConflict, fmt.Sprintf(format, args...)}
}

func notFound(what, id string) error {
	return &statusError{http.StatusNotFound, fmt.Sprintf("no %s %q", what, id)}
}

// answerErrors turns a handler that returns errors into one that answers them.
func answerErrors(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			writeError(w, err)
		}
	}
}

func writeError(w http.ResponseWriter, err error) {
	code, status := http.StatusInternalServerError, (*statusError)(nil)
	switch {
	case errors.As(err, &status):
		code = status.code
	case errors.Is(err, db.ErrPoolExhausted):
		code = http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		code = http.StatusGatewayTimeout
	}
	_ = writeJSON(w, code, map[string]string{"error": err.Error()})
}

// writeJSON answers v. It always returns nil: when the client has gone there is nobody left to
// tell.
func writeJSON(w http.ResponseWriter, code int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
	return nil
}

func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return badRequest("body: %v", err)
	}
	return nil
}

func checkID(field, id string) error {
	if len(id) > longestID {
		return badRequest("%s has %d bytes: it must have at most %d", field, len(id), longestID)
	}
	return nil
}

// newID makes an identifier for a client that did not bring its own.
func newID(prefix string) string { return fmt.Sprintf("%s-%016x", prefix, rand.Uint64()) }
