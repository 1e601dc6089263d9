package discover

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

// DefaultRefreshInterval stands in for a refresh_interval of zero.
const DefaultRefreshInterval = model.Duration(5 * time.Minute)

// Config says where the targets of one job come from and what relabelling does to them.
// Keys and semantics are those of prometheus.yml.
type Config struct {
	// Targets written into the file, with labels they share.
	StaticConfigs []StaticConfig `yaml:"static_configs,omitempty"`
	// Files (JSON or YAML) that list targets. They are read again when they change.
	FileSDConfigs []FileSDConfig `yaml:"file_sd_configs,omitempty"`
	// Rules that rewrite, keep or drop targets before they are used. The labels __address__, __scheme__, __metrics_path__ and __param_NAME say what is requested; __scrape_interval__ and __scrape_timeout__ have no effect here.
	RelabelConfigs []*relabel.Config `yaml:"relabel_configs,omitempty"`
}

// StaticConfig is one group of targets with the labels they share.
type StaticConfig struct {
	// Addresses, each host:port. Environment variables are expanded: ${NAME}.
	Targets []string `yaml:"targets" json:"targets"`
	// Labels that every target of the group gets.
	Labels model.LabelSet `yaml:"labels,omitempty" json:"labels"`
}

// FileSDConfig names files that list target groups.
type FileSDConfig struct {
	// Paths that end in .json, .yml or .yaml; the last element may hold a `*`. Relative paths start at the folder of the configuration file. A changed file is noticed within 5 s; one that cannot be read or parsed keeps what it said before.
	Files []string `yaml:"files"`
	// How often files are read again even if nothing seems to have changed.
	RefreshInterval model.Duration `yaml:"refresh_interval,omitempty"`
}

// CheckFilePattern says what is wrong with an entry of file_sd_configs.files.
func CheckFilePattern(pattern string) error {
	dir, last := filepath.Split(pattern)
	if strings.Contains(dir, "*") {
		return fmt.Errorf("%q: only the last element of a path may hold a *", pattern)
	}
	if _, err := filepath.Match(last, ""); err != nil {
		return fmt.Errorf("%q: %w", pattern, err)
	}
	if _, err := formatOf(pattern); err != nil {
		return fmt.Errorf("%q: %w", pattern, err)
	}
	return nil
}

// CheckAddress says what is wrong with the address of a target, which is a host and an
// optional port. An error does not repeat an address that may hold a password.
func CheckAddress(addr string) error {
	switch {
	case addr == "":
		return errors.New("no address")
	case strings.Contains(addr, "@"):
		return errors.New("address must not hold a user name or password: use basic_auth")
	case !utf8.ValidString(addr):
		return fmt.Errorf("address %q is not valid UTF-8", addr)
	case strings.ContainsAny(addr, "/?#"):
		return fmt.Errorf("address %q must be host:port, not a URL", addr)
	}
	host, port, hasPort := cutPort(addr)
	if inner, ok := unbracket(host); ok {
		if ip, err := netip.ParseAddr(inner); err != nil || !ip.Is6() {
			return fmt.Errorf("address %q holds no IPv6 address in its brackets", addr)
		}
	} else if strings.Contains(host, ":") {
		return fmt.Errorf("address %q holds more than one colon: write an IPv6 address as [::1]:80", addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0) {
		return fmt.Errorf("address %q must end in a port from 1 to 65535", addr)
	}
	// What is left is what may stand in a host name: net/url knows.
	u, err := url.Parse((&url.URL{Scheme: "http", Host: addr}).String())
	if err != nil || u.Host != addr {
		return fmt.Errorf("address %q is not a valid host", addr)
	}
	return nil
}

// cutPort cuts the port off an address. The host keeps its brackets; a bare IPv6 address is
// all host.
func cutPort(addr string) (host, port string, ok bool) {
	if _, err := netip.ParseAddr(addr); err == nil {
		return addr, "", false
	}
	i := strings.LastIndexByte(addr, ':')
	if i < 0 || i < strings.LastIndexByte(addr, ']') {
		return addr, "", false
	}
	return addr[:i], addr[i+1:], true
}

// unbracket takes the brackets off an IPv6 host and says whether there were any.
func unbracket(host string) (string, bool) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		return strings.CutSuffix(inner, "]")
	}
	return host, false
}
