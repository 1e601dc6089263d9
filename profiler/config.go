package profiler

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

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
	// How long each capture lasts, in whole seconds, at most 300 and shorter than the period; only for types that record over a time (cpu).
	Duration model.Duration `yaml:"duration,omitempty"`
}

const (
	// defaultCaptureTimeout is for a service that is busy, not for one that is dead.
	defaultCaptureTimeout = 10 * time.Second
	// minPeriod keeps a slip of the pen from becoming a load test of the service.
	minPeriod = time.Second
	// maxDuration is the longest that a capture may hold the service's CPU profiler.
	maxDuration = 5 * time.Minute
)

// Validate reports profile types that do not exist and settings that cannot work, each
// with the key it stands under.
func (c *Config) Validate() error {
	var errs []error
	if c.CaptureTimeout < 0 {
		errs = append(errs, errors.New("capture_timeout: must not be negative"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Profiles)) {
		s := lookup(name)
		if s == nil {
			errs = append(errs, fmt.Errorf("profiles: %w", &UnknownTypeError{name, typeNames()}))
			continue
		}
		if err := c.plan(s).validate(s, c.Profiles[name]); err != nil {
			errs = append(errs, fmt.Errorf("profiles: %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// plan is when and for how long one type is taken of the targets of a job.
type plan struct {
	enabled          bool
	period, duration time.Duration
	timeout          time.Duration // beyond duration
}

func (c *Config) plan(s *spec) plan {
	p := plan{enabled: true, period: s.period, duration: s.duration, timeout: time.Duration(c.CaptureTimeout)}
	if p.timeout == 0 {
		p.timeout = defaultCaptureTimeout
	}
	tc := c.Profiles[s.name]
	if tc.Enabled != nil {
		p.enabled = *tc.Enabled
	}
	if tc.Period != 0 {
		p.period = time.Duration(tc.Period)
	}
	if tc.Duration != 0 {
		p.duration = time.Duration(tc.Duration)
	}
	return p
}

func (p plan) validate(s *spec, tc TypeConfig) error {
	switch {
	case p.period < minPeriod:
		return fmt.Errorf("period: %s is shorter than %s", p.period, minPeriod)
	case s.duration == 0 && tc.Duration != 0:
		return errors.New("duration: the type is a snapshot and takes none")
	case s.duration == 0:
		return nil
	case p.duration < time.Second || p.duration%time.Second != 0:
		return fmt.Errorf("duration: %s is not a whole number of seconds", p.duration)
	case p.duration > maxDuration:
		return fmt.Errorf("duration: %s is longer than %s", p.duration, maxDuration)
	case p.duration >= p.period:
		return fmt.Errorf("duration: %s is not shorter than the period, %s", p.duration, p.period)
	}
	return nil
}
