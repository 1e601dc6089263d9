package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"sync"
	"time"

	pyroscopego "github.com/grafana/pyroscope-go"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/config"
	"outrider/agent/outbound"
	"outrider/profiler/pyroscope"
)

// selfProfiler ships profiles of the sidecar itself, by Pyroscope's own SDK: it profiles from
// inside the process, which the profiler does not do. Losing some of them is acceptable.
type selfProfiler struct {
	logger    *slog.Logger
	userAgent string
	changed   chan struct{} // wanted was set

	mu     sync.Mutex
	wanted *selfProfiles // nil: none
}

// selfProfiles is where own profiles go, and under which labels.
type selfProfiles struct {
	to   *pyroscope.Config
	tags map[string]string
}

// selfProfileRate is how often the SDK uploads.
const selfProfileRate = 15 * time.Second

func newSelfProfiler(logger *slog.Logger, userAgent string) *selfProfiler {
	return &selfProfiler{logger: logger, userAgent: userAgent, changed: make(chan struct{}, 1)}
}

// apply says what is wanted from now on. It does not wait for it.
func (p *selfProfiler) apply(cfg *config.Config, self labels.Labels) {
	var want *selfProfiles
	if cfg.SelfProfiles && len(cfg.PyroscopeWrite) > 0 {
		want = &selfProfiles{to: cfg.PyroscopeWrite[0], tags: map[string]string{}}
		maps.Copy(want.tags, want.to.Labels)
		external := cfg.ExternalLabels()
		maps.Copy(want.tags, external.Map())
		maps.Copy(want.tags, self.Map())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if reflect.DeepEqual(want, p.wanted) {
		return
	}
	p.wanted = want
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// run has the SDK do what is wanted until ctx is done.
func (p *selfProfiler) run(ctx context.Context) error {
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.changed:
			p.mu.Lock()
			want := p.wanted
			p.mu.Unlock()
			stop()
			stop = p.start(ctx, want)
		}
	}
}

// start returns what ends the SDK again. Uploads under way are then given up, as the SDK
// would wait for a server that hangs.
func (p *selfProfiler) start(ctx context.Context, want *selfProfiles) (stop func()) {
	if want == nil {
		return func() {}
	}
	client, err := outbound.NewClient(want.to.HTTPClient, "self_profiles", p.userAgent)
	if err != nil {
		p.logger.Warn("own profiles are off", "err", err)
		return func() {}
	}
	client.Timeout = time.Duration(want.to.RemoteTimeout)
	ctx, cancel := context.WithCancel(ctx)
	sdk, err := pyroscopego.Start(pyroscopego.Config{
		ApplicationName: selfJob,
		ServerAddress:   want.to.URL.String(),
		TenantID:        want.to.Tenant,
		HTTPHeaders:     want.to.Headers,
		HTTPClient:      boundClient{ctx, client},
		UploadRate:      selfProfileRate,
		Tags:            want.tags,
		Logger:          sdkLogger{p.logger},
	})
	if err != nil {
		cancel()
		p.logger.Warn("own profiles are off", "err", err)
		return func() {}
	}
	return func() {
		cancel()
		if err := sdk.Stop(); err != nil {
			p.logger.Warn("stop own profiles", "err", err)
		}
		client.CloseIdleConnections()
	}
}

// boundClient gives requests up when ctx is done; the SDK sends them without a context.
type boundClient struct {
	ctx    context.Context
	client *http.Client
}

func (c boundClient) Do(req *http.Request) (*http.Response, error) {
	return c.client.Do(req.WithContext(c.ctx))
}

// sdkLogger turns the SDK's formatted lines into ours.
type sdkLogger struct{ l *slog.Logger }

func (s sdkLogger) Infof(string, ...any)  {}
func (s sdkLogger) Debugf(string, ...any) {}
func (s sdkLogger) Errorf(format string, args ...any) {
	s.l.Warn("own profile not shipped", "err", fmt.Sprintf(format, args...))
}
