package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// writeError answers with the status that err chooses, as JSON or as text.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	code := http.StatusInternalServerError
	if e, ok := errors.AsType[*Error](err); ok {
		code = e.Code
	} else if errors.Is(err, context.DeadlineExceeded) {
		code = http.StatusGatewayTimeout
	}
	if wantsJSON(r) {
		writeJSON(w, code, map[string]string{"error": err.Error()})
		return
	}
	writeText(w, code, err.Error())
}

// wantsJSON goes by what a client asks for by name: curl, which takes anything, gets text.
func wantsJSON(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		if strings.Contains(accept, "application/json") {
			return true
		}
	}
	return false
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	writeBytes(w, code, "application/json", append(b, '\n'))
}

func writeText(w http.ResponseWriter, code int, text string) {
	writeBytes(w, code, "text/plain; charset=utf-8", []byte(text+"\n"))
}

func writeBytes(w http.ResponseWriter, code int, contentType string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(code)
	_, _ = w.Write(b) // a reader that left is no news
}

// allow lets only these methods through. hint tells people what to send instead.
func allow(h http.Handler, hint string, methods ...string) http.Handler {
	allowed := strings.Join(methods, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, m := range methods {
			if r.Method == m {
				h.ServeHTTP(w, r)
				return
			}
		}
		w.Header().Set("Allow", allowed)
		err := errors.New(r.Method + " is not allowed here; " + hint)
		writeError(w, r, &Error{http.StatusMethodNotAllowed, err})
	})
}

// read lets only requests through that change nothing.
func read(h http.Handler) http.Handler {
	return allow(h, "use GET", http.MethodGet, http.MethodHead)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	writeError(w, r, &Error{http.StatusNotFound, errors.New("no such page: " + r.URL.Path)})
}
