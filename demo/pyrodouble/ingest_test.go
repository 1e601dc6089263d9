package pyrodouble

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
)

// form makes a multipart body of fields and values in turn.
func form(t *testing.T, fields ...string) (body, contentType string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for i := 0; i < len(fields); i += 2 {
		part, err := w.CreateFormFile(fields[i], fields[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String(), w.FormDataContentType()
}

func TestIngest(t *testing.T) {
	rename := func(names ...string) func(*googlev1.Profile) {
		return func(p *googlev1.Profile) { copy(p.StringTable[1:], names) }
	}
	contentions := string(raw(t, cpuProfile(rename("contentions", "count", "delay", "nanoseconds"))))
	goroutines := string(raw(t, cpuProfile(rename("goroutine", "count", "goroutine", "count"))))
	cpu := string(raw(t, cpuProfile()))
	noTime := string(raw(t, cpuProfile(func(p *googlev1.Profile) { p.TimeNanos = 0 })))
	large := string(raw(t, cpuProfile(func(p *googlev1.Profile) { p.StringTable = append(p.StringTable, strings.Repeat("x", 3<<20)) })))

	for _, tc := range []struct {
		name   string
		params string // besides name
		app    string // checkout when empty
		form   []string
		body   string
		status int
		stored string // name of the profile; empty means nothing is stored
		as     string // service; checkout when empty
	}{
		{name: "raw", params: "format=pprof", body: cpu, status: 200, stored: "process_cpu"},
		{name: "labels", app: "checkout{instance=pod-1,__session_id__=1f}", params: "format=pprof", body: cpu, status: 200, stored: "process_cpu"},
		{name: "label service_name wins", app: "checkout{service_name=other}", params: "format=pprof", body: cpu, status: 200, stored: "process_cpu", as: "other"},
		{name: "malformed name", app: "svc{a", params: "format=pprof", body: cpu, status: 200, stored: "process_cpu", as: "svc"},
		{name: "form", form: []string{"profile", cpu}, status: 200, stored: "process_cpu"},
		{name: "block passes for mutex", form: []string{"profile", contentions}, status: 200, stored: "mutex"},
		{name: "block that says so", form: []string{"profile", contentions, "sample_type_config", `{"contentions":{"display-name":"block_count"},"delay":{"display-name":"block_duration"}}`}, status: 200, stored: "block"},
		{name: "goroutines", form: []string{"profile", goroutines, "sample_type_config", `{"goroutine":{"display-name":"goroutines"}}`}, status: 200, stored: "goroutines"},
		{name: "time of the URL", params: fmt.Sprint("format=pprof&from=", now.Unix()), body: noTime, status: 200, stored: "process_cpu"},
		{name: "time of the URL is too old", params: "format=pprof&from=1700000000", body: noTime, status: 422},
		{name: "nothing", params: "format=pprof", status: 200},

		{name: "no name", app: "{}", params: "format=pprof", body: cpu, status: 400},
		{name: "dash in a label name", app: "checkout{a-b=c}", params: "format=pprof", body: cpu, status: 400},
		{name: "other format", params: "format=jfr", body: cpu, status: 422},
		{name: "garbage", params: "format=pprof", body: "garbage", status: 422},
		{name: "previous profile", form: []string{"profile", cpu, "prev_profile", cpu}, status: 422},
		{name: "over the burst", params: "format=pprof", body: large, status: 429},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDouble(t, nil)
			app, service := tc.app, tc.as
			if app == "" {
				app = "checkout"
			}
			if service == "" {
				service = "checkout"
			}
			contentType := "application/octet-stream"
			if tc.form != nil {
				tc.body, contentType = form(t, tc.form...)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/ingest?name="+url.QueryEscape(app)+"&"+tc.params, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", contentType)
			resp, err := d.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != tc.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tc.status, answer)
			}
			sum := d.Summary()
			if tc.stored == "" {
				if len(sum.Stored) > 0 {
					t.Errorf("stored: %+v", sum.Stored)
				}
				return
			}
			if sum.Profiles(service, tc.stored) != 1 {
				t.Fatalf("stored %+v, want one %s of %s", sum.Stored, tc.stored, service)
			}
			e := d.store.find(query{tenant: "anonymous", end: now.Add(time.Hour).UnixMilli()})[0]
			if e.labels["__delta__"] != "false" || e.labels["pyroscope_spy"] != "unknown" || e.labels["__session_id__"] != "" {
				t.Errorf("labels %v", e.labels)
			}
		})
	}
}
