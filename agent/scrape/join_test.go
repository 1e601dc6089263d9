package scrape

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/telemetry"
)

func TestJoin(t *testing.T) {
	target := labels.FromStrings("instance", "a:1", "job", "b")
	exposed := map[string]labels.Labels{
		"simple":          labels.FromStrings("__name__", "m", "code", "200", "jib", "x", "zone", "ü"),
		"all before":      labels.FromStrings("Z", "1", "__name__", "m"),
		"name alone":      labels.FromStrings("__name__", "m"),
		"clash":           labels.FromStrings("__name__", "m", "job", "theirs"),
		"empty":           labels.New(labels.Label{Name: "__name__", Value: "m"}, labels.Label{Name: "x"}),
		"empty and ours":  labels.New(labels.Label{Name: "__name__", Value: "m"}, labels.Label{Name: "job"}),
		"twice":           labels.New(labels.Label{Name: "__name__", Value: "m"}, labels.Label{Name: "x", Value: "1"}, labels.Label{Name: "x", Value: "2"}),
		"no name":         labels.FromStrings("x", "1"),
		"nothing":         labels.EmptyLabels(),
		"not UTF-8":       labels.FromStrings("__name__", "m", "x", "\xff"),
		"a name that not": labels.FromStrings("__name__", "m", "x\xff", "1"),
		"own name":        labels.FromStrings("__name__", "m", "exported_job", "1", "job", "2"),
	}
	simple := map[string]bool{"simple": true, "all before": true, "name alone": true}
	for _, tt := range []struct {
		name   string
		target labels.Labels
		cfg    Config
		joins  bool
	}{
		{"plain", target, Config{}, true},
		{"honor labels", target, Config{HonorLabels: true}, true},
		{"no labels", labels.EmptyLabels(), Config{}, true},
		{"rules", target, Config{MetricRelabelConfigs: []*relabel.Config{dropLabels("code")}}, false},
		{"limit", target, Config{LabelLimit: 4}, false},
		{"limit of names", target, Config{LabelNameLengthLimit: 8}, false},
		{"limit of values", target, Config{LabelValueLengthLimit: 2}, false},
		{"empty of ours", labels.New(labels.Label{Name: "instance", Value: "a:1"}, labels.Label{Name: "job"}), Config{}, false},
	} {
		r, err := newRules(tt.target, &tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		st := newState(r)
		for name, lset := range exposed {
			want, wantKeep, wantErr := r.final(st.builder, lset)
			key, keep, err := st.finalKey(lset)
			if wantErr == nil && keep != wantKeep || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
				t.Errorf("%s, %s: %v, %v, want %v, %v", tt.name, name, keep, err, wantKeep, wantErr)
			}
			if keep && !labels.Equal(st.syms.Decode(telemetry.Coded(key)), want) {
				t.Errorf("%s, %s: %s, want %s", tt.name, name, st.syms.Decode(telemetry.Coded(key)), want)
			}
			if _, joins := st.joiner.join(r, st.syms, lset); joins != (tt.joins && simple[name]) && tt.target.Len() > 0 {
				t.Errorf("%s, %s: joined is %v", tt.name, name, joins)
			}
		}
	}
}

// TestJoinForgets has the rules change, and the numbers of labels.
func TestJoinForgets(t *testing.T) {
	var rs [2]*rules
	for i, job := range []string{"a", "b"} {
		var err error
		if rs[i], err = newRules(labels.FromStrings("job", job), &Config{}); err != nil {
			t.Fatal(err)
		}
	}
	st := newState(rs[0])
	check := func(job string) {
		t.Helper()
		key, _, err := st.finalKey(labels.FromStrings("__name__", "m", "x", "y"))
		if err != nil {
			t.Fatal(err)
		}
		if got := st.syms.Decode(telemetry.Coded(key)).Get("job"); got != job {
			t.Errorf("the job is %q, want %q", got, job)
		}
	}
	check("a")
	st.setRules(rs[1])
	check("b")
	for range 3 {
		st.syms.Encode(labels.FromStrings("x", "gone"))
	}
	st.recode()
	check("b")
}
