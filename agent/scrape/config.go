package scrape

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/alecthomas/units"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
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
	// Whether native histograms are scraped. Asks for PrometheusProto first, unless scrape_protocols is set.
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
	// Whether timestamps that the service sends are kept. Such samples are dropped when they are more than 10 minutes ahead or a day old, or not newer than the last one of their series.
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
	// Most series of a target after relabelling. What is known goes on, new series beyond the limit are left out until others have gone; the log and `outrider targets` name the label that they differ by. 0 means no limit.
	SeriesLimit uint `yaml:"series_limit,omitempty"`
	// Most labels of a series after relabelling. More: the scrape fails. 0 means no limit.
	LabelLimit uint `yaml:"label_limit,omitempty"`
	// Longest label name. Longer: the scrape fails. 0 means no limit.
	LabelNameLengthLimit uint `yaml:"label_name_length_limit,omitempty"`
	// Longest label value. Longer: the scrape fails. 0 means no limit.
	LabelValueLengthLimit uint `yaml:"label_value_length_limit,omitempty"`
	// Authentication, TLS and proxy; see "HTTP client".
	HTTPClient promconfig.HTTPClientConfig `yaml:",inline"`
}

// Validate checks a configuration whose zero values have been resolved. Its errors begin with
// the key that is wrong.
func (c *Config) Validate() error {
	interval, timeout := time.Duration(c.ScrapeInterval), time.Duration(c.ScrapeTimeout)
	switch {
	case interval <= 0:
		return errors.New("scrape_interval: must be greater than 0")
	case timeout <= 0:
		return errors.New("scrape_timeout: must be greater than 0")
	case timeout > interval:
		return fmt.Errorf("scrape_timeout: %s is longer than scrape_interval %s", c.ScrapeTimeout, c.ScrapeInterval)
	case c.BodySizeLimit < 0:
		return errors.New("body_size_limit: must not be negative")
	}
	if _, err := acceptHeader(c.ScrapeProtocols); err != nil {
		return fmt.Errorf("scrape_protocols: %w", err)
	}
	_, err := newRules(labels.EmptyLabels(), c)
	return err
}
