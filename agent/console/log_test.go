package console

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// logBuffer collects log lines of any goroutine.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level}))
}

func TestAPanicIsLoggedAsAnError(t *testing.T) {
	var logs logBuffer
	opts := options()
	opts.Logger = logs.logger(slog.LevelInfo)
	opts.Snapshot = func() Snapshot { panic("BUG: something impossible") }
	c := run(t, opts)
	resp, err := http.Get("http://" + c.Addr() + "/api/v1/status")
	if err == nil {
		resp.Body.Close()
		t.Fatalf("answers %s", resp.Status)
	}
	wantAnswer(t, ask(t, http.DefaultClient, "GET", "http://"+c.Addr()+"/-/healthy"), 200, "healthy")
	if got := logs.String(); !strings.Contains(got, `level=ERROR msg="handler panicked" err="http: panic serving `) || !strings.Contains(got, "something impossible") {
		t.Errorf("logged\n%s", got)
	}
}

func TestNoiseOfOthersIsNotLogged(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelDebug: true} {
		var logs logBuffer
		h := serverLog{logs.logger(level).Handler()}
		slog.NewLogLogger(h, slog.LevelDebug).Print("http: TLS handshake error from 10.0.0.1:1: EOF")
		if got := strings.Contains(logs.String(), "TLS handshake"); got != want {
			t.Errorf("at %v it is %v that a handshake is logged", level, got)
		}
	}
}

func TestStartSaysWhatIsOpen(t *testing.T) {
	var logs logBuffer
	opts := options()
	opts.Logger = logs.logger(slog.LevelInfo)
	opts.TelemetryAddress = "127.0.0.1:0"
	c := run(t, opts)
	wantAnswer(t, ask(t, http.DefaultClient, "GET", "http://"+c.Addr()+"/-/ready"), 200, "ready")
	for _, want := range []string{
		"msg=listening address=" + c.Addr() + " telemetry_only=false",
		"msg=listening address=" + c.TelemetryAddr() + " telemetry_only=true",
	} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("%q is not logged:\n%s", want, logs.String())
		}
	}
	if strings.Contains(logs.String(), "TLS is disabled") {
		t.Errorf("the toolkit talks:\n%s", logs.String())
	}

	closed := closedConsole(t, opts)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closed.main = closed.newDoor(l, closed.mainHandler(), "")
	closed.logOpen(closed.main)
	if got := logs.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "--web.config.file") {
		t.Errorf("a closed door is not announced:\n%s", got)
	}
}
