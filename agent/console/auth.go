package console

import (
	"fmt"
	"net/http"
	"os"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
)

// authenticates says whether a web configuration lets nobody in unknown. TLS alone hides what
// is said, not from whom.
func authenticates(file string) bool {
	cfg, err := readWebConfig(file)
	return err == nil && (len(cfg.Users) > 0 || cfg.TLSConfig.ClientAuth == "RequireAndVerifyClientCert")
}

// asksForPasswords says whether the toolkit wants basic authentication of every request,
// those for health included.
func (g *guard) asksForPasswords() bool {
	cfg, err := readWebConfig(g.webConfig)
	return err == nil && len(cfg.Users) > 0
}

// authenticated says whether the toolkit, which handled the request before us, knows who
// sent it. It goes by the request and not by what the file said at the start, because the
// toolkit reads the file anew each time and stops asking for a password when the last user
// is taken out.
func authenticated(r *http.Request, file string) bool {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true
	}
	user, _, ok := r.BasicAuth()
	if !ok {
		return false
	}
	cfg, err := readWebConfig(file)
	if err != nil {
		return false
	}
	// The toolkit lets nobody through whose password is not that user's.
	_, known := cfg.Users[user]
	return known
}

// readWebConfig returns an empty configuration when there is no file. web.Validate has
// checked it; here only a few keys matter.
func readWebConfig(file string) (*web.Config, error) {
	cfg := &web.Config{}
	if file == "" {
		return cfg, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read web configuration: %w", err)
	}
	if err := yaml.Unmarshal(b, cfg); err != nil {
		return nil, fmt.Errorf("parse web configuration: %w", err)
	}
	return cfg, nil
}
