package discover

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

// Config says where the targets of one job come from and what relabelling does to them.
// Keys and semantics are those of prometheus.yml.
type Config struct {
	// Targets written into the file, with labels they share.
	StaticConfigs []StaticConfig `yaml:"static_configs,omitempty"`
	// Files (JSON or YAML) that list targets. They are read again when they change.
	FileSDConfigs []FileSDConfig `yaml:"file_sd_configs,omitempty"`
	// Rules that rewrite, keep or drop targets before they are used.
	RelabelConfigs []*relabel.Config `yaml:"relabel_configs,omitempty"`
}

// StaticConfig is one group of targets with the labels they share.
type StaticConfig struct {
	// Addresses, each host:port. Environment variables are expanded: ${NAME}.
	Targets []string `yaml:"targets"`
	// Labels that every target of the group gets.
	Labels model.LabelSet `yaml:"labels,omitempty"`
}

// FileSDConfig names files that list target groups.
type FileSDConfig struct {
	// Paths; the last element may hold one `*`. Relative paths start at the folder of the configuration file.
	Files []string `yaml:"files"`
	// How often files are read again even if nothing seems to have changed.
	RefreshInterval model.Duration `yaml:"refresh_interval,omitempty"`
}
