package stack

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"time"

	"outrider/agent/console"
)

// The values of SidecarConfig.Message.
const (
	MessageV1 = "prometheus.WriteRequest"
	MessageV2 = "io.prometheus.write.v2.Request"
)

//go:embed outrider.yml.tmpl
var sidecarConfig string

// SidecarConfig fills in the configuration of a sidecar beside one checkout service.
type SidecarConfig struct {
	ScrapeInterval time.Duration
	Target         string // host:port of the service, for metrics and pprof
	WriteURL       string // of the remote-write receiver
	Message        string // MessageV1 or MessageV2
	PyroscopeURL   string // empty: no profiles
}

// YAML renders the configuration file.
func (c SidecarConfig) YAML() string {
	var b bytes.Buffer
	t := template.Must(template.New("outrider.yml").Parse(sidecarConfig))
	if err := t.Execute(&b, c); err != nil {
		panic("BUG: the configuration cannot be rendered: " + err.Error())
	}
	return b.String()
}

// Sidecar is a running outrider.
type Sidecar struct {
	*Process
	// URL is that of its main door, such as http://127.0.0.1:9910.
	URL string
	// ConfigFile is where its configuration was written; a reload reads it again.
	ConfigFile string

	client *http.Client
}

// SidecarOptions say how a sidecar is started.
type SidecarOptions struct {
	Binary  string
	Name    string // of the process; empty means outrider
	Dir     string // holds the configuration and the storage
	Storage string // the storage, where it is not in Dir
	Address string // host:port of the main door
	LogDir  string
	Config  string   // the configuration file; empty: the environment is the configuration
	Env     []string // such as POD_NAME
	Args    []string // further flags of outrider run
	Netns   *Netns   // nil means ours
}

// StartSidecar starts a sidecar and waits until it is ready.
func StartSidecar(ctx context.Context, opts SidecarOptions) (*Sidecar, error) {
	s, err := LaunchSidecar(opts)
	if err != nil {
		return nil, err
	}
	if err := s.AwaitReady(ctx); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// AwaitReady waits until the sidecar says that it is ready.
func (s *Sidecar) AwaitReady(ctx context.Context) error {
	return s.Await(ctx, "the sidecar at "+s.URL, func(ctx context.Context) error {
		_, err := s.Get(ctx, "/-/ready")
		return err
	})
}

// LaunchSidecar starts a sidecar and waits for nothing.
func LaunchSidecar(opts SidecarOptions) (*Sidecar, error) {
	if opts.Name == "" {
		opts.Name = "outrider"
	}
	if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("start %s: %w", opts.Name, err)
	}
	args := []string{
		"run",
		"--storage.path=" + cmp.Or(opts.Storage, filepath.Join(opts.Dir, "storage")),
		"--web.listen-address=" + opts.Address,
	}
	file := filepath.Join(opts.Dir, "outrider.yml")
	if opts.Config != "" {
		if err := os.WriteFile(file, []byte(opts.Config), 0o644); err != nil {
			return nil, fmt.Errorf("start %s: %w", opts.Name, err)
		}
		args = append(args, "--config.file="+file)
	}
	process, err := Start(Spec{
		Name:   opts.Name,
		Path:   opts.Binary,
		Args:   append(args, opts.Args...),
		Env:    opts.Env,
		LogDir: opts.LogDir,
		Netns:  opts.Netns,
	})
	if err != nil {
		return nil, err
	}
	return &Sidecar{Process: process, URL: "http://" + opts.Address, ConfigFile: file, client: clientIn(opts.Netns)}, nil
}

// clientIn returns a client whose connections begin in a namespace.
func clientIn(ns *Netns) *http.Client {
	if ns == nil {
		return client
	}
	return &http.Client{Timeout: client.Timeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			return ns.Dial(address)
		},
	}}
}

// Get fetches a path of the main door. Any status but 200 is an error.
func (s *Sidecar) Get(ctx context.Context, path string) (string, error) {
	return do(ctx, s.client, http.MethodGet, s.URL+path)
}

// Post is Get with that method.
func (s *Sidecar) Post(ctx context.Context, path string) (string, error) {
	return do(ctx, s.client, http.MethodPost, s.URL+path)
}

// Status asks what the sidecar sees.
func (s *Sidecar) Status(ctx context.Context) (console.Status, error) {
	var status console.Status
	body, err := s.Get(ctx, "/api/v1/status")
	if err != nil {
		return status, err
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		return status, fmt.Errorf("read status of %s: %w", s.URL, err)
	}
	return status, nil
}

// Metrics returns its own metrics, flattened.
func (s *Sidecar) Metrics(ctx context.Context) (map[string]float64, error) {
	text, err := s.Get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	return ParseMetrics(text)
}

// Lost is what the sidecar took in and will not deliver, by counter.
func (s *Sidecar) Lost(ctx context.Context) (map[string]float64, error) {
	metrics, err := s.Metrics(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for name, v := range metrics {
		shipping := strings.HasPrefix(name, "outrider_remote_write_") || strings.HasPrefix(name, "outrider_pyroscope_")
		if shipping && v > 0 && losses.MatchString(name) {
			out[name] = v
		}
	}
	return out, nil
}

// losses matches the counters of what is given up on the way to a backend.
var losses = regexp.MustCompile(`_(dropped|quarantined|not_written|rejected|expired)_.*total\{`)
