package pyroscope

import (
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// Config is one Pyroscope server that profiles are pushed to.
type Config struct {
	// Address of the server, such as http://pyroscope:4040. Environment variables are expanded: ${NAME}.
	URL *promconfig.URL `yaml:"url"`
	// Name of the endpoint in logs and metrics; unique. Made from the URL when empty.
	Name string `yaml:"name,omitempty"`
	// Tenant, sent as X-Scope-OrgID. Environment variables are expanded: ${NAME}.
	Tenant string `yaml:"tenant,omitempty"`
	// Labels added to each profile that does not have them.
	Labels map[string]string `yaml:"labels,omitempty"`
	// Headers sent with each request. Environment variables are expanded in values: ${NAME}.
	Headers map[string]string `yaml:"headers,omitempty"`
	// After how long a push is given up and tried again.
	RemoteTimeout model.Duration `yaml:"remote_timeout,omitempty"`
	// Authentication, TLS and proxy; see "HTTP client".
	HTTPClient promconfig.HTTPClientConfig `yaml:",inline"`
}
