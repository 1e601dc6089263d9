package pyroscope

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pushed is one profile of a push request, as the server decoded it.
type pushed struct {
	labels []label
	raw    []byte
	tenant string
}

func (p pushed) label(name string) string {
	for _, l := range p.labels {
		if l.name == name {
			return l.value
		}
	}
	return ""
}

// id tells the profiles of a test apart.
func (p pushed) id() string { return p.label("id") }

// reply is a scripted answer.
type reply struct {
	status int
	body   string
	header http.Header
}

var ok = reply{status: 200}

func connectError(status int, code, message string) reply {
	return reply{status: status, body: fmt.Sprintf(`{"code":%q,"message":%q}`, code, message)}
}

// server is a double of Pyroscope's push API, as strict as the real one.
type server struct {
	t  *testing.T
	mu sync.Mutex
	// script answers instead of the server where it returns true.
	script   func(pushed) (reply, bool)
	delay    time.Duration
	stored   []pushed
	requests []time.Time
	last     *http.Request
	atOnce   int
	most     int
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests = append(s.requests, time.Now())
	s.last = r
	s.atOnce++
	s.most = max(s.most, s.atOnce)
	delay := s.delay
	s.mu.Unlock()
	time.Sleep(delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.atOnce--
	if err != nil {
		return
	}
	a := s.answer(r, body)
	w.Header().Set("Content-Type", "application/json")
	if a.status == 200 {
		w.Header().Set("Content-Type", "application/proto")
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (s *server) answer(r *http.Request, body []byte) reply {
	switch {
	case r.URL.Path != "/push.v1.PusherService/Push":
		return reply{status: 404, body: "404 page not found"}
	case r.Method != http.MethodPost:
		return reply{status: 405}
	case r.Header.Get("Content-Type") != "application/proto":
		return reply{status: 415}
	case r.Header.Get("Content-Encoding") != "":
		return connectError(501, "unimplemented", "unknown compression")
	}
	ps, err := decodeRequest(body)
	if err != nil {
		return connectError(400, "invalid_argument", err.Error())
	}
	if len(ps) != 1 {
		s.t.Errorf("a request of %d profiles", len(ps))
	}
	worst := ok
	for _, p := range ps {
		a, scripted := ok, false
		if s.script != nil {
			a, scripted = s.script(p)
		}
		if !scripted {
			a = check(p)
		}
		if a.status == 200 && a.header == nil {
			p.tenant = r.Header.Get("X-Scope-OrgID")
			s.stored = append(s.stored, p)
			continue
		}
		worst = a
	}
	return worst
}

// check says what the real server says of a profile, by default.
func check(p pushed) reply {
	invalid := func(format string, args ...any) reply {
		return connectError(400, "invalid_argument", fmt.Sprintf(format, args...))
	}
	raw := p.raw
	if bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		zr, err := gzip.NewReader(bytes.NewReader(raw))
		if err == nil {
			raw, err = io.ReadAll(zr)
		}
		if err != nil {
			return connectError(500, "unknown", err.Error())
		}
	}
	if len(raw) > 4<<20 {
		return invalid("uncompressed profile payload size exceeds limit of 4.2 MB")
	}
	prof, err := profile.ParseUncompressed(raw)
	if err != nil {
		return connectError(500, "unknown", err.Error())
	}
	if len(raw) > 2<<20 {
		return connectError(429, "resource_exhausted", "push rate limit (4.0 MiB) exceeded while adding 2.9 MiB")
	}
	if len(p.labels) > 30 {
		return invalid("profile series has %d label names; limit 30", len(p.labels))
	}
	if p.label("__name__") == "" {
		return invalid("invalid metric name")
	}
	seen := map[string]bool{}
	for _, l := range p.labels {
		switch {
		case seen[l.name]:
			return invalid("duplicate label name: %q", l.name)
		case len(l.name) > 1024 || len(l.value) > 2048:
			return invalid("label too long")
		}
		seen[l.name] = true
		switch l.name {
		case "__profile_type__", "__type__", "__unit__", "__period_type__", "__period_unit__", "__service_name__":
			return invalid("duplicate label name: %q", l.name)
		}
	}
	at := time.Unix(0, prof.TimeNanos)
	if d := time.Since(at); d > time.Hour || d < -10*time.Minute {
		return invalid("profile with labels '{}' is outside of ingestion window")
	}
	return ok
}

// decodeRequest reads a push.v1.PushRequest by hand.
func decodeRequest(body []byte) ([]pushed, error) {
	var all []pushed
	err := fields(body, func(num protowire.Number, series []byte) error {
		if num != 1 {
			return fmt.Errorf("field %d of a request", num)
		}
		var p pushed
		samples := 0
		err := fields(series, func(num protowire.Number, msg []byte) error {
			switch num {
			case 1:
				var l label
				if err := fields(msg, func(num protowire.Number, val []byte) error {
					switch num {
					case 1:
						l.name = string(val)
					case 2:
						l.value = string(val)
					}
					return nil
				}); err != nil {
					return err
				}
				p.labels = append(p.labels, l)
			case 2:
				samples++
				return fields(msg, func(num protowire.Number, val []byte) error {
					if num == 1 {
						p.raw = val
					}
					return nil
				})
			}
			return nil
		})
		if samples > 0 {
			all = append(all, p)
		}
		return err
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("no profiles received")
	}
	return all, err
}

func fields(msg []byte, f func(protowire.Number, []byte) error) error {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if typ != protowire.BytesType {
			return fmt.Errorf("field %d has wire type %d", num, typ)
		}
		val, m := protowire.ConsumeBytes(msg[n:])
		if m < 0 {
			return protowire.ParseError(m)
		}
		if err := f(num, val); err != nil {
			return err
		}
		msg = msg[n+m:]
	}
	return nil
}

func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// profiles returns what is stored, in the order in which it came.
func (s *server) profiles() []pushed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stored)
}

// ids returns which profiles are stored, in the order in which they came.
func (s *server) ids() string {
	var ids []string
	for _, p := range s.profiles() {
		ids = append(ids, p.id())
	}
	return strings.Join(ids, " ")
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}
