package profiler

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetricsAreLintClean(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := newMetrics(reg)
	m.declare("checkout", "cpu")
	m.failures.WithLabelValues("checkout", "cpu", reasonBusy).Inc()
	m.withheld.WithLabelValues("checkout", "mutex", withheldEmpty).Inc()
	m.lastSuccess.WithLabelValues("checkout", "cpu").Set(1)
	m.duration.WithLabelValues("cpu").Observe(1)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n, _ := testutil.GatherAndCount(reg); n != 8 {
		t.Errorf("%d series, want one of each metric", n)
	}
}
