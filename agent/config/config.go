package config

import (
	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/agent/discover"
	"outrider/agent/remotewrite"
	"outrider/agent/scrape"
	"outrider/agent/spool"
	"outrider/profiler"
	"outrider/profiler/pyroscope"
)

// Config is the whole configuration. Load, Parse and FromEnv return it checked and with all
// defaults filled in; it is not changed afterwards.
type Config struct {
	// Defaults for all jobs, and the labels of everything that is shipped.
	Global Global `yaml:"global"`
	// What is scraped.
	ScrapeConfigs []*ScrapeConfig `yaml:"scrape_configs,omitempty"`
	// Where metrics are written to.
	RemoteWrite []*remotewrite.Config `yaml:"remote_write,omitempty"`
	// How much waits for each endpoint of `remote_write`, and how safely; an endpoint may say otherwise.
	Spool spool.Config `yaml:"spool"`
	// What is profiled.
	ProfileConfigs []*ProfileConfig `yaml:"profile_configs,omitempty"`
	// Where profiles are pushed to.
	PyroscopeWrite []*pyroscope.Config `yaml:"pyroscope_write,omitempty"`
	// Whether the sidecar's own metrics, `outrider_*`, are shipped as well, with `job="outrider"`.
	SelfMetrics bool `yaml:"self_metrics"`
	// Whether the sidecar profiles itself and pushes that to the first endpoint of `pyroscope_write`.
	SelfProfiles bool `yaml:"self_profiles"`
}

// Global holds what scrape_configs inherit. Keys and semantics are those of prometheus.yml.
type Global struct {
	// How often targets are scraped.
	ScrapeInterval model.Duration `yaml:"scrape_interval,omitempty"`
	// After how long a scrape is given up. Not longer than the interval; cut to it when not set.
	ScrapeTimeout model.Duration `yaml:"scrape_timeout,omitempty"`
	// Formats to ask for, the preferred one first. By default the text formats, OpenMetrics before Prometheus; with native histograms PrometheusProto first.
	ScrapeProtocols []string `yaml:"scrape_protocols,omitempty"`
	// Whether native histograms are scraped.
	ScrapeNativeHistograms bool `yaml:"scrape_native_histograms"`
	// Whether the classic buckets of a native histogram are kept as well.
	AlwaysScrapeClassicHistograms bool `yaml:"always_scrape_classic_histograms"`
	// Labels added to all series and profiles on their way out, where they are not set already. Environment variables are expanded in values: ${NAME}.
	ExternalLabels labels.Labels `yaml:"external_labels,omitempty"`
	// Most bytes of an uncompressed body. Larger: the scrape fails. 0 means no limit. Unlike in Prometheus there is one by default: a body is held in memory beside the service.
	BodySizeLimit units.Base2Bytes `yaml:"body_size_limit"`
	// Most samples of a scrape after relabelling. More: the scrape fails. 0 means no limit.
	SampleLimit uint `yaml:"sample_limit,omitempty"`
	// Most series of a target after relabelling. What is known goes on, new series beyond the limit are left out until others have gone; the log and `outrider targets` name the label that they differ by. 0 means no limit.
	SeriesLimit uint `yaml:"series_limit,omitempty"`
	// Most labels of a series after relabelling. More: the scrape fails. 0 means no limit.
	LabelLimit uint `yaml:"label_limit,omitempty"`
	// Longest label name. Longer: the scrape fails. 0 means no limit.
	LabelNameLengthLimit uint `yaml:"label_name_length_limit,omitempty"`
	// Longest label value. Longer: the scrape fails. 0 means no limit.
	LabelValueLengthLimit uint `yaml:"label_value_length_limit,omitempty"`
}

// ScrapeConfig is one job: where its targets come from and how they are scraped.
//
// The parts are named fields: embedding would promote methods of one to the whole.
type ScrapeConfig struct {
	// Name of the job; unique among scrape_configs. It is the `job` label unless relabelling sets another.
	JobName  string          `yaml:"job_name"`
	Discover discover.Config `yaml:",inline"`
	Scrape   scrape.Config   `yaml:",inline"`
}

// ProfileConfig is one job of the profiler: which targets, and which profiles of them. Its
// targets are those of a scrape job, or its own.
type ProfileConfig struct {
	// Name of the job; unique among profile_configs. It is the `job` label, and the `service_name` unless that is set, of targets that are not taken from a scrape job.
	JobName string `yaml:"job_name"`
	// Job of scrape_configs whose targets are profiled, with the same labels. Excludes static_configs and file_sd_configs.
	ScrapeJob string `yaml:"scrape_job,omitempty"`
	// Port of the pprof handlers, where it is not the port that is scraped. Only with scrape_job.
	Port     int             `yaml:"port,omitempty"`
	Discover discover.Config `yaml:",inline"`
	Profiler profiler.Config `yaml:",inline"`
}
