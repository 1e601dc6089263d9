package profiler

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
)

// Adding a type is adding a file; this is what the file must say.
func TestTypesAreComplete(t *testing.T) {
	names, series := map[string]bool{}, map[string]bool{}
	for _, s := range types {
		t.Run(s.name, func(t *testing.T) {
			if names[s.name] {
				t.Errorf("name %q is taken", s.name)
			}
			if series[s.series] {
				t.Errorf("series %q is taken", s.series)
			}
			names[s.name], series[s.series] = true, true
			if !model.UTF8Validation.IsValidLabelName(s.name) || !model.LegacyValidation.IsValidMetricName(s.series) {
				t.Errorf("name %q or series %q is not valid", s.name, s.series)
			}
			for what, text := range map[string]string{"help": s.help, "cost": s.cost} {
				if !strings.HasSuffix(text, ".") {
					t.Errorf("%s is no sentence: %q", what, text)
				}
			}
			if s.path == "" || len(s.sampleTypes) == 0 {
				t.Error("a path and the sample types are required")
			}
			if err := (&Config{}).plan(s).validate(s, TypeConfig{}); err != nil {
				t.Errorf("defaults: %v", err)
			}
			for _, c := range s.cumulative {
				found := false
				for _, st := range s.sampleTypes {
					found = found || strings.HasPrefix(st, c+"/")
				}
				if !found {
					t.Errorf("cumulative %q is not a sample type", c)
				}
			}
		})
	}
}

func TestTypesListing(t *testing.T) {
	var b strings.Builder
	for _, i := range Types() {
		s := lookup(i.Name)
		fmt.Fprintf(&b, "%s\n  %s\n  cost: %s\n  path %s, series %s, period %s, duration %s, exclusive %t\n  sample types %s; cumulative %s\n",
			i.Name, i.Help, i.Cost, i.Path, i.Series, i.Period, i.Duration, s.exclusive,
			strings.Join(s.sampleTypes, " "), strings.Join(s.cumulative, " "))
	}
	golden(t, "types.golden", b.String())
}
