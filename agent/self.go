package agent

import (
	"fmt"
	"log/slog"
	"reflect"
	"time"

	pyroscopego "github.com/grafana/pyroscope-go"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/config"
)

// selfProfiler ships profiles of the sidecar itself, by Pyroscope's own SDK: it profiles from
// inside the process, which the profiler does not do. Losing some of them is acceptable.
type selfProfiler struct {
	logger  *slog.Logger
	running *pyroscopego.Profiler
	config  pyroscopego.Config
}

// selfProfileRate is how often the SDK uploads.
const selfProfileRate = 15 * time.Second

// apply starts, restarts or stops the SDK as cfg wants it. A failure is logged: nothing else
// depends on it.
func (p *selfProfiler) apply(cfg *config.Config, self, external labels.Labels) {
	want, err := selfProfileConfig(cfg, self, external)
	if err != nil {
		p.logger.Warn("own profiles are off", "err", err)
	}
	if reflect.DeepEqual(want, p.config) {
		return
	}
	p.stop()
	p.config = want
	if want.ServerAddress == "" {
		return
	}
	want.Logger = sdkLogger{p.logger}
	running, err := pyroscopego.Start(want)
	if err != nil {
		p.logger.Warn("own profiles are off", "err", err)
		return
	}
	p.running = running
}

func (p *selfProfiler) stop() {
	if p.running == nil {
		return
	}
	if err := p.running.Stop(); err != nil {
		p.logger.Warn("stop own profiles", "err", err)
	}
	p.running = nil
}

// selfProfileConfig is the zero value when own profiles are not wanted. The SDK knows basic
// authentication, a tenant and headers; an endpoint that needs more cannot be used by it.
func selfProfileConfig(cfg *config.Config, self, external labels.Labels) (pyroscopego.Config, error) {
	if !cfg.SelfProfiles {
		return pyroscopego.Config{}, nil
	}
	if len(cfg.PyroscopeWrite) == 0 {
		return pyroscopego.Config{}, fmt.Errorf("self_profiles needs a pyroscope_write endpoint")
	}
	to := cfg.PyroscopeWrite[0]
	c := pyroscopego.Config{
		ApplicationName: selfJob,
		ServerAddress:   to.URL.String(),
		TenantID:        to.Tenant,
		HTTPHeaders:     to.Headers,
		UploadRate:      selfProfileRate,
		Tags:            map[string]string{},
	}
	for name, value := range to.Labels {
		c.Tags[name] = value
	}
	external.Range(func(l labels.Label) { c.Tags[l.Name] = l.Value })
	self.Range(func(l labels.Label) { c.Tags[l.Name] = l.Value })
	if auth := to.HTTPClient.BasicAuth; auth != nil {
		if auth.PasswordFile != "" || auth.UsernameFile != "" {
			return pyroscopego.Config{}, fmt.Errorf("self_profiles cannot read the basic_auth of %s from a file", to.URL.Redacted())
		}
		c.BasicAuthUser, c.BasicAuthPassword = auth.Username, string(auth.Password)
	}
	if to.HTTPClient.Authorization != nil || to.HTTPClient.OAuth2 != nil {
		return pyroscopego.Config{}, fmt.Errorf("self_profiles cannot use the authorization of %s", to.URL.Redacted())
	}
	return c, nil
}

// sdkLogger turns the SDK's formatted lines into ours.
type sdkLogger struct{ l *slog.Logger }

func (s sdkLogger) Infof(string, ...any)  {}
func (s sdkLogger) Debugf(string, ...any) {}
func (s sdkLogger) Errorf(format string, args ...any) {
	s.l.Warn("own profile not shipped", "err", fmt.Sprintf(format, args...))
}
