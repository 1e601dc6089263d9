package pyroscope

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// What a server accepts by default. It refuses a whole profile over one label too many.
const (
	maxLabels     = 30
	maxLabelName  = 1024
	maxLabelValue = 2048
)

// label is a label of a profile series.
type label struct{ name, value string }

// seriesLabels returns the labels under which a profile is stored, sorted by name. The
// target's win over those of the endpoint, and these over the external ones. Names that
// begin with two underscores are the server's: it derives them, and would refuse a second.
func seriesLabels(p *telemetry.Profile, endpoint map[string]string, external labels.Labels) ([]label, error) {
	all := map[string]string{}
	add := func(name, value string) {
		if _, taken := all[name]; !taken && value != "" && !strings.HasPrefix(name, "__") {
			all[name] = value
		}
	}
	p.Target.Labels.Range(func(l labels.Label) { add(l.Name, l.Value) })
	add("service_name", p.Target.Service())
	for name, value := range endpoint {
		add(name, value)
	}
	external.Range(func(l labels.Label) { add(l.Name, l.Value) })
	all["__name__"] = p.Series
	// We send differences; a server that makes its own must not subtract once more.
	all["__delta__"] = "false"

	if len(all) > maxLabels {
		return nil, fmt.Errorf("%d labels are more than the %d that Pyroscope accepts by default (__name__ and __delta__ included)", len(all), maxLabels)
	}
	list := make([]label, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		l := label{name, all[name]}
		if err := l.check(); err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}

func (l label) check() error {
	switch {
	case len(l.name) > maxLabelName:
		return fmt.Errorf("label name %.40q...: %d bytes are more than the %d that Pyroscope accepts by default", l.name, len(l.name), maxLabelName)
	case len(l.value) > maxLabelValue:
		return fmt.Errorf("label %q: a value of %d bytes is longer than the %d that Pyroscope accepts by default", l.name, len(l.value), maxLabelValue)
	case !utf8.ValidString(l.name) || l.name == "":
		return fmt.Errorf("label name %q is not valid", l.name)
	case !utf8.ValidString(l.value):
		return fmt.Errorf("label %q: its value is not valid UTF-8", l.name)
	}
	return nil
}
