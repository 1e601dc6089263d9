package remotewrite

import (
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

// The values of Config.ProtobufMessage.
const (
	MessageV1 = "prometheus.WriteRequest"
	MessageV2 = "io.prometheus.write.v2.Request"
)

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
	// Authentication, TLS and proxy; see "HTTP client".
	HTTPClient promconfig.HTTPClientConfig `yaml:",inline"`
}
