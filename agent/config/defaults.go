package config

import (
	"time"

	"github.com/alecthomas/units"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"outrider/agent/discover"
	"outrider/agent/outbound"
	"outrider/agent/remotewrite"
	"outrider/agent/scrape"
	"outrider/agent/spool"
	"outrider/profiler"
	"outrider/profiler/pyroscope"
)

// Defaults that are not Prometheus's own.
const (
	defaultScrapeInterval = model.Duration(15 * time.Second)
	defaultScrapeTimeout  = model.Duration(10 * time.Second)
	// An exposition of a hundred thousand series is about 15 MiB.
	defaultBodySizeLimit  = 64 * units.MiB
	defaultSpoolAge       = model.Duration(24 * time.Hour)
	defaultFsync          = spool.Fsync(time.Second)
	defaultRemoteTimeout  = model.Duration(30 * time.Second)
	defaultPushTimeout    = model.Duration(10 * time.Second)
	defaultCaptureTimeout = model.Duration(10 * time.Second)
)

// setDefaults gives a block of ours what holds where a key is not set, before its keys are
// read. Blocks of Prometheus set their own. What depends on other keys is left to resolve.
func setDefaults(block any) {
	switch c := block.(type) {
	case *Config:
		*c = Config{SelfMetrics: true, Spool: spool.Config{
			MaxBytes: spool.DefaultMaxBytes,
			MaxAge:   defaultSpoolAge,
			Fsync:    defaultFsync,
		}}
		setDefaults(&c.Global)
	case *Global:
		*c = Global{BodySizeLimit: defaultBodySizeLimit}
	case *discover.FileSDConfig:
		c.RefreshInterval = discover.DefaultRefreshInterval
	case *scrape.Config:
		c.MetricsPath = "/metrics"
		c.Scheme = "http"
		c.HonorTimestamps = true
		c.HTTPClient = promconfig.DefaultHTTPClientConfig
	case *remotewrite.Config:
		c.RemoteTimeout = defaultRemoteTimeout
		c.ProtobufMessage = remotewrite.MessageV1
		c.Shards = 1
		c.Order = remotewrite.InOrder
		c.SendNativeHistograms = true
		c.HTTPClient = promconfig.DefaultHTTPClientConfig
		c.HTTPClient.EnableHTTP2 = false // as in Prometheus
	case *profiler.Config:
		c.PprofPath = "/debug/pprof"
		c.CaptureTimeout = defaultCaptureTimeout
		c.HTTPClient = promconfig.DefaultHTTPClientConfig
	case *pyroscope.Config:
		c.RemoteTimeout = defaultPushTimeout
		c.HTTPClient = promconfig.DefaultHTTPClientConfig
	}
}

// withDefaults makes a block that has its defaults.
func withDefaults[T any]() *T {
	c := new(T)
	setDefaults(c)
	return c
}

// resolve fills in what depends on other keys. It is called once, after decoding.
func (c *Config) resolve() {
	g := &c.Global
	setIfZero(&g.ScrapeInterval, defaultScrapeInterval)
	setIfZero(&g.ScrapeTimeout, min(defaultScrapeTimeout, g.ScrapeInterval))
	for _, s := range c.ScrapeConfigs {
		inherit(&s.Scrape, g)
	}
	for _, w := range c.RemoteWrite {
		w.Name = outbound.EndpointName(w.Name, w.URL)
		setIfZero(&w.Spool.MaxBytes, c.Spool.MaxBytes)
		setIfZero(&w.Spool.MaxAge, c.Spool.MaxAge)
		setIfZero(&w.Spool.Fsync, c.Spool.Fsync)
	}
	for _, w := range c.PyroscopeWrite {
		w.Name = outbound.EndpointName(w.Name, w.URL)
	}
	for _, p := range c.ProfileConfigs {
		if p.ScrapeJob == "" {
			setIfZero(&p.Profiler.Scheme, "http")
		}
		fillProfiles(&p.Profiler)
	}
}

func inherit(s *scrape.Config, g *Global) {
	setIfZero(&s.ScrapeInterval, g.ScrapeInterval)
	setIfZero(&s.ScrapeTimeout, min(g.ScrapeTimeout, s.ScrapeInterval))
	if s.ScrapeProtocols == nil {
		s.ScrapeProtocols = g.ScrapeProtocols
	}
	if s.ScrapeNativeHistograms == nil {
		s.ScrapeNativeHistograms = new(g.ScrapeNativeHistograms)
	}
	if s.AlwaysScrapeClassicHistograms == nil {
		s.AlwaysScrapeClassicHistograms = new(g.AlwaysScrapeClassicHistograms)
	}
	setIfZero(&s.BodySizeLimit, g.BodySizeLimit)
	setIfZero(&s.SampleLimit, g.SampleLimit)
	setIfZero(&s.SeriesLimit, g.SeriesLimit)
	setIfZero(&s.LabelLimit, g.LabelLimit)
	setIfZero(&s.LabelNameLengthLimit, g.LabelNameLengthLimit)
	setIfZero(&s.LabelValueLengthLimit, g.LabelValueLengthLimit)
}

// fillProfiles names every profile type with all its settings.
func fillProfiles(c *profiler.Config) {
	profiles := make(map[string]profiler.TypeConfig, len(c.Profiles))
	for name, t := range c.Profiles {
		profiles[name] = t // also what no type is called: check says so
	}
	for _, info := range profiler.Types() {
		t := profiles[info.Name]
		if t.Enabled == nil {
			t.Enabled = new(true)
		}
		setIfZero(&t.Period, model.Duration(info.Period))
		setIfZero(&t.Duration, model.Duration(info.Duration))
		profiles[info.Name] = t
	}
	c.Profiles = profiles
}

func setIfZero[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}
