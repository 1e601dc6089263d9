package remotewrite

import (
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/agent/spool"
)

// The values of Config.ProtobufMessage.
const (
	MessageV1 = "prometheus.WriteRequest"
	MessageV2 = "io.prometheus.write.v2.Request"
)

// The values of Config.Order.
const (
	InOrder    = "in_order"
	FreshFirst = "fresh_first"
)

// MaxShards bounds Config.Shards: each is a directory and a connection.
const MaxShards = 64

// Config is one endpoint that metrics are written to. Keys and semantics are those of
// prometheus.yml.
type Config struct {
	// Address of the receiver, such as http://prometheus:9090/api/v1/write. Environment variables are expanded: ${NAME}.
	URL *promconfig.URL `yaml:"url"`
	// Name of the endpoint in logs and metrics; unique. Made from the URL when empty.
	Name string `yaml:"name,omitempty"`
	// After how long a request is given up and sent again.
	RemoteTimeout model.Duration `yaml:"remote_timeout,omitempty"`
	// Headers sent with each request, such as X-Scope-OrgID. Environment variables are expanded in values: ${NAME}.
	Headers map[string]string `yaml:"headers,omitempty"`
	// Rules that rewrite, keep or drop series for this endpoint alone.
	WriteRelabelConfigs []*relabel.Config `yaml:"write_relabel_configs,omitempty"`
	// prometheus.WriteRequest (remote write 1.0) or io.prometheus.write.v2.Request (2.0). A receiver that does not know 2.0 is sent 1.0 without loss.
	ProtobufMessage string `yaml:"protobuf_message,omitempty"`
	// Whether exemplars are sent.
	SendExemplars bool `yaml:"send_exemplars,omitempty"`
	// Whether native histograms are sent.
	SendNativeHistograms bool `yaml:"send_native_histograms"`
	// How many requests may be under way at a time. Each target has its samples sent in order, through one of so many lanes. More than one only for a receiver that is far away and slow to answer.
	Shards int `yaml:"shards,omitempty"`
	// `in_order`, or `fresh_first` for a receiver that takes samples out of order: after an outage what is scraped goes out at once, and what has waited for more than 30 seconds follows behind.
	Order string `yaml:"order,omitempty"`
	// How much waits for this endpoint, and how safely. What is not set is taken from the top-level `spool`.
	Spool spool.Config `yaml:"spool,omitempty"`
	// Authentication, TLS and proxy; see "HTTP client".
	HTTPClient promconfig.HTTPClientConfig `yaml:",inline"`
}
