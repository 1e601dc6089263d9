package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// Routes adds the switches to mux:
//
//	GET  /faults                          lists all
//	POST /faults/{name}?on=true&level=3   switches one on; level is optional
//	POST /faults/{name}?on=false          switches it off and cleans up
//
// Parameters may also come as a form. A browser may not switch faults from another site.
func (s *Set) Routes(mux *http.ServeMux) {
	guard := http.NewCrossOriginProtection()
	mux.HandleFunc("GET /faults", s.serveList)
	mux.Handle("POST /faults/{name}", guard.Handler(http.HandlerFunc(s.serveSwitch)))
}

func (s *Set) serveList(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, s.List())
}

func (s *Set) serveSwitch(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	name := r.PathValue("name")
	on, level, err := parseSwitch(r)
	if err == nil {
		if on {
			err = s.SwitchOn(name, level)
		} else {
			err = s.SwitchOff(name)
		}
	}
	if unknown := (*UnknownError)(nil); errors.As(err, &unknown) {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, st := range s.List() {
		if st.Name == name {
			writeJSON(w, st)
		}
	}
}

func parseSwitch(r *http.Request) (on bool, level int, err error) {
	if on, err = strconv.ParseBool(r.FormValue("on")); err != nil {
		return false, 0, fmt.Errorf("parameter on is %q: it must be true or false", r.FormValue("on"))
	}
	text := r.FormValue("level")
	if text == "" {
		return on, 0, nil
	}
	level, err = strconv.Atoi(text)
	if err != nil || on && level < 1 {
		return false, 0, fmt.Errorf("parameter level is %q: it must be a positive whole number", text)
	}
	return on, level, nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // an error means that the client has gone
}
