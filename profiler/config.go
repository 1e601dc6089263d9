package profiler

import (
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// Config says which profiles are taken of the targets of one job, and how often. A zero
// value stands for the default, which package config resolves.
type Config struct {
	// Profile types to take and their settings: cpu, memory, goroutine, mutex, block. A type that is not named is taken with its defaults; `enabled: false` turns one off.
	Profiles map[string]TypeConfig `yaml:"profiles,omitempty"`
	// Path under which the pprof handlers live.
	PprofPath string `yaml:"pprof_path,omitempty"`
	// http or https.
	Scheme string `yaml:"scheme,omitempty"`
	// How long the service may take to answer beyond the seconds that a profile covers.
	CaptureTimeout model.Duration `yaml:"capture_timeout,omitempty"`
	// Authentication, TLS and proxy; see "HTTP client".
	HTTPClient promconfig.HTTPClientConfig `yaml:",inline"`
}

// TypeConfig overrides the defaults of one profile type.
type TypeConfig struct {
	// Whether the type is taken at all.
	Enabled *bool `yaml:"enabled,omitempty"`
	// How often it is taken.
	Period model.Duration `yaml:"period,omitempty"`
	// How long each capture lasts; only for types that record over a time (cpu).
	Duration model.Duration `yaml:"duration,omitempty"`
}
