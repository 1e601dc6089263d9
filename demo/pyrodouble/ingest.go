package pyrodouble

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
)

// sampleTypeConfig is what a client says of one sample type of the profile that it sends.
type sampleTypeConfig struct {
	DisplayName string `json:"display-name"`
}

// ingest is the older way in, POST /ingest, which Pyroscope's own SDK takes: one profile, as
// the body or as a part of a form, with its labels in the URL.
func (s *Server) ingest(w http.ResponseWriter, r *http.Request) {
	tenant, err := s.tenant(r.Header)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	s.tally.push()
	fail := func(status int, reason string, err error) {
		s.tally.reject(&rejection{reason: reason, err: err})
		http.Error(w, err.Error(), status)
	}
	params := r.URL.Query()
	labels, err := parseName(params.Get("name"))
	if err != nil {
		fail(http.StatusBadRequest, "unknown", err)
		return
	}
	data, types, err := profileOf(r, int64(s.opts.Limits.MaxBodySize))
	if err != nil {
		status := http.StatusUnprocessableEntity
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		fail(status, "unknown", err)
		return
	}
	if len(data) == 0 {
		return // ignored, and well received
	}
	profile, size, refused := decode(data, s.opts.Limits.MaxProfileSize)
	if refused == nil {
		if profile.TimeNanos == 0 {
			profile.TimeNanos = unixTime(params.Get("from")).UnixNano()
		}
		labels["__name__"] = guessName(profile, types)
		labels["__delta__"] = "false"
		labels["pyroscope_spy"] = params.Get("spyName")
		if labels["pyroscope_spy"] == "" {
			labels["pyroscope_spy"] = "unknown"
		}
		_, refused = pusher{s}.accept(tenant, arrived{pairs(labels), profile, size})
	}
	if refused != nil {
		status := http.StatusUnprocessableEntity
		if refused.code == connect.CodeResourceExhausted {
			status = http.StatusTooManyRequests
		}
		fail(status, refused.reason, refused.err)
	}
}

var labelPattern = regexp.MustCompile(`^[a-zA-Z0-9_.]+$`)

// parseName reads app{k=v,k2=v2}, leniently where the server is lenient: nothing needs to be
// closed. The application is the service unless a label says otherwise; labels of ours to
// begin with, __*, are left out.
func parseName(name string) (labelSet, error) {
	app, rest, _ := strings.Cut(name, "{")
	if app == "" {
		return nil, errors.New("application name is required")
	}
	set := labelSet{labelService: app}
	for pair := range strings.SplitSeq(strings.TrimSuffix(rest, "}"), ",") {
		k, v, ok := strings.Cut(pair, "=")
		if !ok {
			continue
		}
		k = strings.TrimSpace(k)
		if !labelPattern.MatchString(k) {
			return nil, fmt.Errorf("invalid label name %q", k)
		}
		if !strings.HasPrefix(k, "__") {
			set[k] = strings.TrimSpace(v)
		}
	}
	return set, nil
}

// profileOf reads the profile of a request and what a form says of its sample types.
func profileOf(r *http.Request, limit int64) ([]byte, map[string]sampleTypeConfig, error) {
	body := http.MaxBytesReader(nil, r.Body, limit)
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		if f := r.URL.Query().Get("format"); f != "pprof" {
			return nil, nil, fmt.Errorf("unknown format %q", f)
		}
		data, err := io.ReadAll(body)
		return data, nil, err
	}
	if params["boundary"] == "" {
		return nil, nil, errors.New("a form without a boundary")
	}
	r.Body = body
	form, err := r.MultipartReader()
	if err != nil {
		return nil, nil, err
	}
	var data []byte
	var types map[string]sampleTypeConfig
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return data, types, nil
		}
		if err != nil {
			return nil, nil, err
		}
		field, err := io.ReadAll(part)
		if err != nil {
			return nil, nil, err
		}
		switch part.FormName() {
		case "profile":
			data = field
		case "prev_profile":
			return nil, nil, errors.New("unsupported client version: it sends prev_profile")
		case "sample_type_config":
			if err := json.Unmarshal(field, &types); err != nil {
				return nil, nil, fmt.Errorf("read sample_type_config: %w", err)
			}
		}
	}
}

// guessName finds the name that the server gives a profile whose client cannot name it: by the
// first sample type that it knows. A block profile passes for mutex unless the client says.
func guessName(p *googlev1.Profile, types map[string]sampleTypeConfig) string {
	name := ""
	for _, t := range p.SampleType {
		if t.Type < 0 || t.Type >= int64(len(p.StringTable)) {
			continue // refused later
		}
		name = p.StringTable[t.Type]
		if types == nil && (name == "contentions" || name == "delay") {
			return "mutex"
		}
		if d := types[name].DisplayName; d != "" {
			name = d
		}
		switch {
		case strings.Contains(name, "cpu"):
			return "process_cpu"
		case strings.Contains(name, "alloc_"), strings.Contains(name, "inuse_"):
			return "memory"
		case strings.Contains(name, "mutex_"):
			return "mutex"
		case strings.Contains(name, "block_"):
			return "block"
		case strings.Contains(name, "goroutines"), types == nil && name == "goroutine":
			return "goroutines"
		}
	}
	return name
}

// unixTime reads seconds or nanoseconds since the epoch; what it cannot read is now.
func unixTime(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		return time.Now()
	case len(s) > 12:
		return time.Unix(0, n)
	default:
		return time.Unix(n, 0)
	}
}
