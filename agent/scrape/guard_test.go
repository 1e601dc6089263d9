package scrape

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"

	"outrider/telemetry"
)

// TestSeriesLimit has a label explode: what is known goes on, only what is new beyond the
// limit is left out, and there is room again for as many as have gone.
func TestSeriesLimit(t *testing.T) {
	body := func(users ...int) string {
		var b strings.Builder
		b.WriteString("# TYPE requests_total counter\n")
		for _, u := range users {
			fmt.Fprintf(&b, "requests_total{code=\"200\",user=\"%d\"} 1\n", u)
		}
		return b.String() + "# TYPE temperature gauge\ntemperature 20\n"
	}
	s := newSession(t, &Config{SeriesLimit: 3})
	step := func(users []int, want string, keptOut int) {
		t.Helper()
		sc := s.mustScrape(body(users...), text004)
		var got []string
		for i := range sc.Series.Len() - len(reportFamilies()) {
			lset := sc.Series.At(i)
			got = append(got, lset.Get("__name__")+lset.Get("user"))
		}
		for _, r := range sc.Rest {
			got = append(got, "end:"+r.Labels.Get("user"))
		}
		if strings.Join(got, " ") != want || s.tally.keptOut != keptOut {
			t.Errorf("got %q, %d left out; want %q, %d", strings.Join(got, " "), s.tally.keptOut, want, keptOut)
		}
		if e := s.st.explosion(s.timeMs); (e != nil) != (keptOut > 0) {
			t.Errorf("explosion %+v", e)
		} else if e != nil && (e.Metric != "requests_total" || e.Label != "user") {
			t.Errorf("blames %+v", e)
		}
	}
	step([]int{1, 2}, "requests_total1 requests_total2 temperature", 0)
	step([]int{1, 2}, "requests_total1 requests_total2 temperature", 0)
	step([]int{0, 1, 2, 3, 4}, "requests_total1 requests_total2 temperature", 3)
	step([]int{0, 1, 2, 3, 4}, "requests_total1 requests_total2 temperature", 3)
	step([]int{0, 2, 3, 4}, "requests_total2 temperature end:1", 3)
	step([]int{0, 2, 3, 4}, "requests_total0 requests_total2 temperature", 2)
	step([]int{0, 2}, "requests_total0 requests_total2 temperature", 0)
}

// TestRemedyWorks takes the piece of configuration that people are given and looks what it does.
func TestRemedyWorks(t *testing.T) {
	e := telemetry.Explosion{Metric: "a.requests_total", Label: "user id"}
	var cfg struct {
		Rules []*relabel.Config `yaml:"metric_relabel_configs"`
	}
	if err := yaml.Unmarshal([]byte(e.Remedy()), &cfg); err != nil {
		t.Fatalf("%v in\n%s", err, e.Remedy())
	}
	s := newSession(t, &Config{MetricRelabelConfigs: cfg.Rules})
	sc := s.mustScrape(`{"a.requests_total","user id"="x"} 1
{"a.requests_total"} 2
{"aarequests_total","user id"="x"} 3
`, text100)
	if got := sc.Values[:sc.Series.Len()-len(reportFamilies())]; len(got) != 2 || got[0] != 2 || got[1] != 3 {
		t.Errorf("left are %v", got)
	}
}
