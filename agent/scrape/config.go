package scrape

import (
	"net/url"

	"github.com/alecthomas/units"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

// Config says how the targets of one job are scraped. Keys and semantics are those of
// prometheus.yml; a zero value stands for "as in global", which package config resolves.
type Config struct {
	// How often targets are scraped.
	ScrapeInterval model.Duration `yaml:"scrape_interval,omitempty"`
	// After how long a scrape is given up. Not longer than the interval.
	ScrapeTimeout model.Duration `yaml:"scrape_timeout,omitempty"`
	// Formats to ask for, the preferred one first: PrometheusProto, OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, PrometheusText0.0.4.
	ScrapeProtocols []string `yaml:"scrape_protocols,omitempty"`
	// Format to assume when a target sends no usable Content-Type. Without it such a scrape fails.
	FallbackScrapeProtocol string `yaml:"fallback_scrape_protocol,omitempty"`
	// Whether native histograms are scraped; asks for PrometheusProto first.
	ScrapeNativeHistograms *bool `yaml:"scrape_native_histograms,omitempty"`
	// Whether the classic buckets of a native histogram are kept as well.
	AlwaysScrapeClassicHistograms *bool `yaml:"always_scrape_classic_histograms,omitempty"`
	// Path of the metrics.
	MetricsPath string `yaml:"metrics_path,omitempty"`
	// http or https.
	Scheme string `yaml:"scheme,omitempty"`
	// URL parameters sent with each scrape.
	Params url.Values `yaml:"params,omitempty"`
	// Whether a label that the service sends wins over one of ours with the same name; else ours wins and theirs is kept as exported_NAME.
	HonorLabels bool `yaml:"honor_labels,omitempty"`
	// Whether timestamps that the service sends are kept.
	HonorTimestamps bool `yaml:"honor_timestamps"`
	// Whether series with timestamps of their own get staleness markers.
	TrackTimestampsStaleness bool `yaml:"track_timestamps_staleness,omitempty"`
	// Whether to ask for a gzipped body. Off by default, unlike in Prometheus: over loopback, compressing costs the service more than the copy.
	EnableCompression bool `yaml:"enable_compression,omitempty"`
	// Rules that rewrite, keep or drop series before they are shipped.
	MetricRelabelConfigs []*relabel.Config `yaml:"metric_relabel_configs,omitempty"`
	// Most bytes of an uncompressed body. Larger: the scrape fails. 0 means no limit.
	BodySizeLimit units.Base2Bytes `yaml:"body_size_limit,omitempty"`
	// Most samples after relabelling. More: the scrape fails. 0 means no limit.
	SampleLimit uint `yaml:"sample_limit,omitempty"`
	// Most labels of a series after relabelling. More: the scrape fails. 0 means no limit.
	LabelLimit uint `yaml:"label_limit,omitempty"`
	// Longest label name. Longer: the scrape fails. 0 means no limit.
	LabelNameLengthLimit uint `yaml:"label_name_length_limit,omitempty"`
	// Longest label value. Longer: the scrape fails. 0 means no limit.
	LabelValueLengthLimit uint `yaml:"label_value_length_limit,omitempty"`
	// Authentication, TLS and proxy; see "HTTP client".
	HTTPClient promconfig.HTTPClientConfig `yaml:",inline"`
}
