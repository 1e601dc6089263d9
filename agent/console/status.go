package console

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"outrider/telemetry"
)

// Snapshot is the state of the sidecar as the stages report it.
type Snapshot struct {
	Version   string
	Identity  Identity
	Started   time.Time
	Config    ConfigStatus
	Targets   []telemetry.TargetStatus
	Profiles  []telemetry.ProfileStatus
	Endpoints []telemetry.EndpointStatus
}

// Identity is who the sidecar is.
type Identity struct {
	Instance  string `json:"instance"`
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Node      string `json:"node,omitempty"`
}

// ConfigStatus is how the configuration was last read.
type ConfigStatus struct {
	// File is empty when the environment is the configuration.
	File string `json:"file,omitempty"`
	// LoadedAt is when the configuration in use was read.
	LoadedAt time.Time `json:"loaded_at,omitzero"`
	// Error is why a later reload changed nothing; empty when it did.
	Error string `json:"error,omitempty"`
}

// Status is the answer of GET /api/v1/status. Times that are not yet known are left out.
type Status struct {
	Version       string           `json:"version"`
	Identity      Identity         `json:"identity"`
	Now           time.Time        `json:"now"`
	Started       time.Time        `json:"started"`
	UptimeSeconds float64          `json:"uptime_seconds"`
	ExternalURL   string           `json:"external_url,omitempty"`
	Config        ConfigStatus     `json:"config"`
	Targets       []TargetStatus   `json:"targets"`
	Profiles      []ProfileStatus  `json:"profiles"`
	Endpoints     []EndpointStatus `json:"endpoints"`
}

// TargetStatus is one target that is scraped.
type TargetStatus struct {
	Name            string            `json:"name"`
	Job             string            `json:"job"`
	URL             string            `json:"url"`
	Labels          map[string]string `json:"labels"`
	Health          telemetry.Health  `json:"health"`
	LastScrape      time.Time         `json:"last_scrape,omitzero"`
	DurationSeconds float64           `json:"duration_seconds"`
	IntervalSeconds float64           `json:"interval_seconds"`
	Samples         int               `json:"samples"`
	LastError       string            `json:"last_error,omitempty"`
	Explosion       *Explosion        `json:"explosion,omitempty"`
}

// Explosion says where the series come from that series_limit keeps out of a target.
type Explosion struct {
	// SamplesKeptOut is how many there were in the last scrape.
	SamplesKeptOut int      `json:"samples_kept_out"`
	Metric         string   `json:"metric"`
	Label          string   `json:"label"`
	Values         int      `json:"values"`
	Examples       []string `json:"examples"`
	// Remedy is a piece of configuration that keeps them out for good.
	Remedy string `json:"remedy"`
}

// Summary says it in one line, for people.
func (e *Explosion) Summary() string {
	quoted := make([]string, len(e.Examples))
	for i, v := range e.Examples {
		quoted[i] = strconv.Quote(v)
	}
	return fmt.Sprintf("series_limit leaves out %d samples: label %q of %s has %d values (%s, ...)",
		e.SamplesKeptOut, e.Label, e.Metric, e.Values, strings.Join(quoted, ", "))
}

// ProfileStatus is one profile type of one target.
type ProfileStatus struct {
	Target          string    `json:"target"`
	Type            string    `json:"type"`
	URL             string    `json:"url"`
	PeriodSeconds   float64   `json:"period_seconds"`
	LastCapture     time.Time `json:"last_capture,omitzero"`
	DurationSeconds float64   `json:"duration_seconds"`
	Bytes           int       `json:"bytes"`
	LastError       string    `json:"last_error,omitempty"`
}

// EndpointStatus is one backend.
type EndpointStatus struct {
	Kind          string           `json:"kind"`
	Name          string           `json:"name"`
	URL           string           `json:"url"`
	Protocol      string           `json:"protocol,omitempty"`
	Queued        int              `json:"queued"`
	QueuedBytes   int64            `json:"queued_bytes"`
	Capacity      int64            `json:"capacity_bytes,omitempty"`
	Oldest        time.Time        `json:"oldest,omitzero"`
	DiskFailing   bool             `json:"disk_failing,omitempty"`
	Dropped       map[string]int64 `json:"dropped,omitempty"` // samples since the start, by the reason
	LastSuccess   time.Time        `json:"last_success,omitzero"`
	LastError     string           `json:"last_error,omitempty"`
	Misconfigured bool             `json:"misconfigured,omitempty"`
}

// Waiting says for people how much waits, and of how much; empty when nothing does.
func (e EndpointStatus) Waiting() string {
	if e.Queued == 0 {
		return ""
	}
	s := strconv.Itoa(e.Queued) + " (" + Bytes(e.QueuedBytes)
	if e.Capacity > 0 {
		s += " of " + Bytes(e.Capacity)
	}
	return s + ")"
}

// Trouble says for people what was given up, and whether the disk fails; empty when all is well.
func (e EndpointStatus) Trouble() string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(e.Dropped)) {
		parts = append(parts, fmt.Sprintf("%s %d", reason, e.Dropped[reason]))
	}
	s := ""
	if len(parts) > 0 {
		s = "samples given up since the start: " + strings.Join(parts, ", ")
	}
	if e.DiskFailing {
		s = strings.TrimPrefix(s+"; the disk takes nothing, what waits is in memory", "; ")
	}
	return s
}

// newStatus turns what the stages report into what is told outside. URLs lose their
// passwords.
func newStatus(s Snapshot, externalURL string, now time.Time) Status {
	out := Status{
		Version:       s.Version,
		Identity:      s.Identity,
		Now:           now,
		Started:       s.Started,
		UptimeSeconds: now.Sub(s.Started).Seconds(),
		ExternalURL:   externalURL,
		Config:        s.Config,
		// Empty lists, not null.
		Targets:   make([]TargetStatus, 0, len(s.Targets)),
		Profiles:  make([]ProfileStatus, 0, len(s.Profiles)),
		Endpoints: make([]EndpointStatus, 0, len(s.Endpoints)),
	}
	for _, t := range s.Targets {
		out.Targets = append(out.Targets, TargetStatus{
			Name:            t.Target.Name(),
			Job:             t.Target.Job,
			URL:             t.Target.URL.Redacted(),
			Labels:          t.Target.LabelMap(),
			Health:          t.Health,
			LastScrape:      t.LastScrape,
			DurationSeconds: t.Duration.Seconds(),
			IntervalSeconds: t.Interval.Seconds(),
			Samples:         t.Samples,
			LastError:       t.LastError,
			Explosion:       newExplosion(&t),
		})
	}
	for _, p := range s.Profiles {
		out.Profiles = append(out.Profiles, ProfileStatus{
			Target:          p.Target.Name(),
			Type:            p.Type,
			URL:             p.Target.URL.Redacted(),
			PeriodSeconds:   p.Period.Seconds(),
			LastCapture:     p.LastCapture,
			DurationSeconds: p.Duration.Seconds(),
			Bytes:           p.Bytes,
			LastError:       p.LastError,
		})
	}
	for _, e := range s.Endpoints {
		out.Endpoints = append(out.Endpoints, EndpointStatus(e))
	}
	return out
}

func newExplosion(t *telemetry.TargetStatus) *Explosion {
	e := t.Explosion
	if e == nil {
		return nil
	}
	return &Explosion{
		SamplesKeptOut: t.KeptOut, Metric: e.Metric, Label: e.Label, Values: e.Values, Examples: e.Examples, Remedy: e.Remedy(),
	}
}

func (c *Console) currentStatus() Status {
	return newStatus(c.opts.Snapshot(), c.opts.ExternalURL, c.now())
}

func (c *Console) status(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, c.currentStatus())
}

// Age says how long ago t was: "never", "just now", "3s ago", "2h5m ago".
func Age(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d < time.Second:
		return "just now"
	default:
		return Duration(d) + " ago"
	}
}

// Duration writes d with two units at most: "350ms", "12s", "3m5s", "2h5m", "4d1h".
func Duration(d time.Duration) string {
	const day = 24 * time.Hour
	two := func(big, small time.Duration, bigUnit, smallUnit string) string {
		if rest := d % big / small; rest > 0 {
			return fmt.Sprintf("%d%s%d%s", d/big, bigUnit, rest, smallUnit)
		}
		return fmt.Sprintf("%d%s", d/big, bigUnit)
	}
	switch {
	case d <= 0:
		return "0s"
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return two(time.Minute, time.Second, "m", "s")
	case d < day:
		return two(time.Hour, time.Minute, "h", "m")
	default:
		return two(day, time.Hour, "d", "h")
	}
}

// Bytes writes n in binary units: "512 B", "3.4 KiB".
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for v >= unit && i < 3 {
		v /= unit
		i++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGT"[i])
}
