package console

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestStatusAndPage(t *testing.T) {
	c := run(t, options())
	c.now = func() time.Time { return at }
	base := "http://" + c.Addr()

	got := ask(t, http.DefaultClient, "GET", base+"/api/v1/status")
	wantAnswer(t, got, 200, "")
	golden(t, "testdata/status.json", got.body)
	if strings.Contains(got.body, "hunter2") {
		t.Error("shows a password")
	}

	got = ask(t, http.DefaultClient, "GET", base+"/")
	wantAnswer(t, got, 200, "")
	golden(t, "testdata/page.html", got.body)
	if strings.Contains(got.body, "hunter2") || strings.Contains(got.body, "<script") {
		t.Error("the page shows a password or runs a script")
	}
	// The policy lets in the style sheet that is really there, and nothing is fetched.
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(got.body)
	if style == nil || style[1] != pageCSS {
		t.Error("the style sheet was changed on its way, so its hash is of another")
	}
	if m := regexp.MustCompile(`(?:src|href)="(?:https?:)?//[^"]*"`).FindString(got.body); m != "" {
		t.Errorf("the page wants %s", m)
	}
}

func TestEmptyPage(t *testing.T) {
	opts := options()
	opts.Snapshot = func() Snapshot { return Snapshot{Version: "1", Started: at} }
	c := run(t, opts)
	base := "http://" + c.Addr()
	for _, hint := range []string{"OUTRIDER_TARGET", "OUTRIDER_PPROF_URL", "remote_write", "the environment, loaded never"} {
		wantAnswer(t, ask(t, http.DefaultClient, "GET", base+"/"), 200, hint)
	}
	wantAnswer(t, ask(t, http.DefaultClient, "GET", base+"/api/v1/status"), 200, `"targets": []`)
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                     "0s",
		0:                                "0s",
		120 * time.Microsecond:           "120µs",
		350 * time.Millisecond:           "350ms",
		12*time.Second + time.Second/2:   "12s",
		3*time.Minute + 5*time.Second:    "3m5s",
		3 * time.Minute:                  "3m",
		2*time.Hour + 5*time.Minute + 59: "2h5m",
		49 * time.Hour:                   "2d1h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %s, want %s", d, got, want)
		}
	}
	for then, want := range map[time.Time]string{
		{}:                              "never",
		at.Add(time.Minute):             "just now", // by a clock that was set back
		at.Add(-400 * time.Millisecond): "just now",
		at.Add(-3 * time.Second):        "3s ago",
	} {
		if got := Age(at, then); got != want {
			t.Errorf("Age(%v) = %s, want %s", then, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 34567: "33.8 KiB", 5 << 20: "5.0 MiB", 1 << 50: "1024.0 TiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s, want %s", n, got, want)
		}
	}
}
