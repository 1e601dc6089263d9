package faults

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestSwitchOverHTTP(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	s := NewSet(reg)
	t.Cleanup(s.Close)
	mux := http.NewServeMux()
	s.Routes(mux)

	for _, tc := range []struct {
		method, target, form string
		code                 int
		want                 string // in the answer
	}{
		{"POST", "/faults/heap-leak?on=true&level=7", "", 200, `"level": 7,`},
		{"POST", "/faults/heap-leak?on=true", "", 200, `"level": 64,`},
		{"POST", "/faults/heap-leak", "on=1&level=8", 200, `"level": 8,`},
		{"POST", "/faults/heap-leak?on=false", "", 200, `"on": false,`},
		{"POST", "/faults/heap-leak?on=false&level=9", "", 200, `"level": 0`},
		{"POST", "/faults/heap-leak", "", 400, `parameter on is "": it must be true or false`},
		{"POST", "/faults/heap-leak?on=maybe", "", 400, `parameter on is "maybe"`},
		{"POST", "/faults/heap-leak?on=true&level=0", "", 400, `parameter level is "0"`},
		{"POST", "/faults/heap-leak?on=true&level=many", "", 400, `parameter level is "many"`},
		{"POST", "/faults/heap-leak?on=true&level=5000", "", 400, "level 5000 of heap-leak: it must be 0 (off) to 4096 KiB per request"},
		{"POST", "/faults/heap-leek?on=true", "", 404, "it must be one of alloc-storm, cpu-burn, goroutine-leak, heap-leak, lock-convoy, slow-dependency"},
		{"GET", "/faults/heap-leak?on=true", "", 405, ""},
	} {
		t.Run(tc.method+" "+tc.target+" "+tc.form, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, tc.target, strings.NewReader(tc.form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
				t.Errorf("%d %s\nwant %d and %q", w.Code, w.Body, tc.code, tc.want)
			}
		})
	}

	r := httptest.NewRequest("POST", "/faults/heap-leak?on=true", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("another site switched a fault on: %d", w.Code)
	}
}

func TestListOverHTTP(t *testing.T) {
	s := newTestSet(t)
	switchOn(t, s, "heap-leak", 2)
	s.Request(t.Context())
	mux := http.NewServeMux()
	s.Routes(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/faults", nil))
	var got []Status
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if len(got) != 6 {
		t.Fatalf("%d faults are listed, want 6", len(got))
	}
	for _, st := range got {
		if st.Summary == "" || st.Unit == "" || st.Default < 1 || st.Default > st.Max {
			t.Errorf("%s is not described well: %+v", st.Name, st)
		}
		if leak := st.Name == "heap-leak"; st.On != leak || (st.Held == 2<<10) != leak {
			t.Errorf("%s: on %v, holding %d", st.Name, st.On, st.Held)
		}
	}
}

func TestMetricSaysWhatIsOn(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	s := NewSet(reg)
	t.Cleanup(s.Close)
	switchOn(t, s, "lock-convoy", 3)
	level := s.metric.WithLabelValues("lock-convoy")
	if got := testutil.ToFloat64(level); got != 3 {
		t.Errorf("fault_level is %v, want 3", got)
	}
	s.Close()
	if got := testutil.ToFloat64(level); got != 0 {
		t.Errorf("fault_level is %v after Close, want 0", got)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}
