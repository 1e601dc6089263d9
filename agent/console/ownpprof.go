package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
)

// maxOwnSeconds bounds what a recording of the sidecar itself may last.
const maxOwnSeconds = 60

// ownPprof serves profiles of the sidecar itself. net/http/pprof also puts itself on
// http.DefaultServeMux, which nothing here serves. Recordings start by GET, as go tool pprof
// asks for them; so pages of other sites, which can make a browser send one, are kept out.
func (c *Console) ownPprof() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if crossSite(r) {
			c.guard.refuse(w, r, "cross_origin", &Error{http.StatusForbidden, errors.New("a page of another site asked for this")})
			return
		}
		if s := r.FormValue("seconds"); s != "" {
			if n, err := strconv.ParseFloat(s, 64); err != nil || !(n >= 0 && n <= maxOwnSeconds) {
				writeError(w, r, &Error{http.StatusBadRequest, fmt.Errorf("seconds: want 0 to %d, got %q", maxOwnSeconds, s)})
				return
			}
		}
		c.limit(c.own, mux).ServeHTTP(w, r)
	})
}

// crossSite says whether a browser sent the request for a page that is not ours. Other
// clients send neither header.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		origin := r.Header.Get("Origin")
		_, host, _ := strings.Cut(origin, "://")
		return origin != "" && host != r.Host
	}
	return true
}
