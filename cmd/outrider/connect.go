package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/alecthomas/kingpin/v2"
	promconfig "github.com/prometheus/common/config"

	"outrider/agent/client"
)

// sidecarFlags say which running sidecar to ask, and how.
type sidecarFlags struct{ url, httpConfig string }

func addSidecarFlags(cmd *kingpin.CmdClause) *sidecarFlags {
	f := &sidecarFlags{}
	cmd.Flag("url", "Address of the sidecar.").
		Envar("OUTRIDER_URL").Default("http://127.0.0.1:9910").StringVar(&f.url)
	cmd.Flag("http.config.file", "How to reach it: TLS and credentials, as in http_config of Prometheus.").
		StringVar(&f.httpConfig)
	return f
}

// client makes a client that the caller closes.
func (f *sidecarFlags) client() (*client.Client, error) {
	cfg := promconfig.DefaultHTTPClientConfig
	if f.httpConfig != "" {
		b, err := os.ReadFile(f.httpConfig)
		if err != nil {
			return nil, fmt.Errorf("--http.config.file: %w", err)
		}
		c, err := promconfig.LoadHTTPConfig(string(b))
		if err != nil {
			return nil, fmt.Errorf("--http.config.file %s: %w", f.httpConfig, err)
		}
		c.SetDirectory(filepath.Dir(f.httpConfig))
		cfg = *c
	}
	return client.New(f.url, cfg)
}
