package telemetry

import (
	"fmt"
	"regexp"
	"strconv"
)

// Explosion names where the series come from that a target has too many of.
type Explosion struct {
	Metric string
	Label  string // of the metric, the one with most values
	Values int    // how many of them were seen
	// Examples are a few of the values.
	Examples []string
}

// Remedy is a piece of configuration that keeps such series out, for people to take over: it
// drops the series of the metric that carry the label. To drop only the label would make
// many series one, with the sample of any of them.
func (e *Explosion) Remedy() string {
	return fmt.Sprintf("metric_relabel_configs:\n  - source_labels: [__name__, %s]\n    regex: %s\n    action: drop\n",
		yamlName(e.Label), strconv.Quote(regexp.QuoteMeta(e.Metric)+";.+"))
}

// yamlName quotes a label name where YAML needs it.
func yamlName(name string) string {
	for _, r := range name {
		if r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return strconv.Quote(name)
		}
	}
	return name
}
