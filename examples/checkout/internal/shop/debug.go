package shop

import (
	"context"
	"net/http"
	"net/http/pprof"
	"runtime"
)

// What the mutex and block profiles may cost. At 1000 contended locks a second, taking one in
// ten costs some 0.1 ms of CPU a second. Block events shorter than a tenth of a millisecond are
// sampled by their length; there are few longer ones.
const (
	mutexProfileFraction = 10
	blockProfileRate     = 100_000 // nanoseconds
)

// enableProfiles switches on the profiles that Go leaves off, for the whole process, and
// returns how to undo it.
func enableProfiles(mutexFraction, blockRate int) (undo func()) {
	old := runtime.SetMutexProfileFraction(mutexFraction)
	runtime.SetBlockProfileRate(blockRate)
	return func() {
		runtime.SetMutexProfileFraction(old)
		runtime.SetBlockProfileRate(0) // the runtime does not tell the old one
	}
}

// addPprof serves the profiles on mux. Captures end early when stop is done, so that a long one
// does not hold up the end of the process.
func addPprof(stop context.Context, mux *http.ServeMux) {
	handle := func(path string, h http.HandlerFunc) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(stop, cancel)()
			h(w, r.WithContext(ctx))
		})
	}
	handle("GET /debug/pprof/", pprof.Index)
	handle("GET /debug/pprof/cmdline", pprof.Cmdline)
	handle("GET /debug/pprof/profile", pprof.Profile)
	handle("GET /debug/pprof/symbol", pprof.Symbol)
	handle("POST /debug/pprof/symbol", pprof.Symbol)
	handle("GET /debug/pprof/trace", pprof.Trace)
}
