package discover

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetricsAreLintClean(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := newMetrics(reg)
	m.set(nil, map[jobKey]jobCount{{kindScrape, "a"}: {kept: 1}})
	m.fileErrors.WithLabelValues("*.yml").Inc()
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n := testutil.CollectAndCount(reg); n != 5 {
		t.Errorf("%d series were checked, want 5", n)
	}
}

func TestMetricsForgetJobs(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := newMetrics(reg)
	a, b := jobKey{kindScrape, "a"}, jobKey{kindProfile, "a"}
	first := map[jobKey]jobCount{a: {kept: 9}, b: {kept: 3, relabelled: 1, invalid: 2, duplicate: 4}}
	m.set(nil, first)
	m.set(first, map[jobKey]jobCount{b: {kept: 2, invalid: 1}})
	want := `
# HELP outrider_discovered_targets Targets of each job at present, after relabelling.
# TYPE outrider_discovered_targets gauge
outrider_discovered_targets{kind="profile",target_job="a"} 2
# HELP outrider_discover_dropped_targets Targets of each job that are not used at present: relabelled away, invalid, or with the URL and labels of another.
# TYPE outrider_discover_dropped_targets gauge
outrider_discover_dropped_targets{kind="profile",reason="duplicate",target_job="a"} 0
outrider_discover_dropped_targets{kind="profile",reason="invalid",target_job="a"} 1
outrider_discover_dropped_targets{kind="profile",reason="relabelled",target_job="a"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
