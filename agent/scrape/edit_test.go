package scrape

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

func TestPlainLines(t *testing.T) {
	for _, tt := range []struct {
		part string
		want int
	}{
		{"", 0},
		{"a 1\n", 1},
		{"a:b_2{le=\"+Inf\",ü=\"x\"} 1\n", -1},
		{"a:b_2{le=\"+Inf\",u=\"ü\"} 1e9\nA{} 1\n", -1},
		{"a:b_2{le=\"+Inf\",u=\"ü } 1\"} NaN\nA -1.5\n", 2},
		{"a 1", -1},
		{"a 1\n\n", -1},
		{"# TYPE a counter\n", -1},
		{"a  1\n", -1},
		{"a\t1\n", -1},
		{"a 1 \n", -1},
		{"a 1 1700000000000\n", -1},
		{"a 0x1p4\n", -1},
		{"a{b=\"c\\\"\"} 1\n", -1},
		{"a{b=\"\xff\"} 1\n", -1},
		{"a{b=\"\x00\"} 1\n", -1},
		{"a{b:c=\"\"} 1\n", -1},
		{"a{b=\"c\",} 1\n", -1},
		{"a{b=\"c\"1\n", -1},
		{"a{b=\"c\"\n", -1},
		{"a{b=\"c\n", -1},
		{"a{\"b\"=\"c\"} 1\n", -1},
		{"{\"a\"} 1\n", -1},
		{"1a 1\n", -1},
	} {
		checkPlain(t, tt.part)
		if got := plainLines([]byte(tt.part)); got != tt.want {
			t.Errorf("%q: %d, want %d", tt.part, got, tt.want)
		}
	}
}

// FuzzPlainLines holds what is taken for plain to what the parsers of both text formats say.
func FuzzPlainLines(f *testing.F) {
	for _, s := range []string{"a 1\n", "a{b=\"c\",d=\"e\"} -1.5e-7\nb NaN\n", "a:b{c=\"\x7f\u00fc\"} +Inf\n", "a{} 1\n", "a{b=\"\\n\"} 1\n", "a 1 # {} 1\n"} {
		f.Add(s)
	}
	f.Fuzz(checkPlain)
}

func checkPlain(t *testing.T, part string) {
	n := plainLines([]byte(part))
	if n < 0 {
		return
	}
	lines := strings.SplitAfter(part, "\n")
	for _, f := range []format{formatText, formatOpenMetrics} {
		_, p := f.parse([]byte(part))
		for i := range n {
			entry, err := p.Next()
			if err != nil || entry != textparse.EntrySeries {
				t.Fatalf("%q, format %d: entry %d is a %d: %v", part, f, i, entry, err)
			}
			raw, ts, got := p.Series()
			want, ok := parseValue([]byte(lines[i][len(raw)+1 : len(lines[i])-1]))
			if !strings.HasPrefix(lines[i], string(raw)) || ts != nil || !ok || math.Float64bits(got) != math.Float64bits(want) {
				t.Fatalf("%q, format %d: sample %d is %q, %v, %v", part, f, i, raw, ts, got)
			}
			var lset labels.Labels
			p.Labels(&lset)
			if !lset.Has(model.MetricNameLabel) {
				t.Fatalf("%q, format %d: series %d has no name: %s", part, f, i, lset)
			}
		}
		if _, err := p.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("%q, format %d: there is more, or %v", part, f, err)
		}
	}
}

// TestJointEdits has lines come and go behind several types and in front of all, plain ones
// and others, and looks that they are read as with all the rest.
func TestJointEdits(t *testing.T) {
	former := "first 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\n# TYPE s summary\ns{quantile=\"1\"} 3\ns_sum 1\n# TYPE g gauge\ng{x=\"1\"} 1\ng{x=\"3\"} 1\ng{x=\"5\"} 1\n"
	for name, next := range map[string]string{
		"plain": "first 1\nsecond 2\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 1\nh_sum 1\n# TYPE s summary\ns{quantile=\"2\"} 3\ns_sum 1\n" +
			"# TYPE g gauge\ng{x=\"1\"} 1\ng{x=\"2\"} 1\ng{x=\"3\"} 1\ng{le=\"4\"} 1\ng{x=\"5\"} 1\n",
		"plain and others": "first 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 1\nh_sum 1\n# TYPE s summary\ns{quantile=\"2\"}  3\ns_sum 1\n" +
			"# TYPE g gauge\ng{x=\"1\"} 1\ng{x=\"\\n\"} 1\ng{x=\"3\"} 1\ng{x=\"4\"} 1\ng{x=\"5\"} 1\n",
		"one that fails": "first 1\nsecond 2\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\n# TYPE s summary\ns{quantile=\"1\"} 3\ns_sum 1\n# TYPE g gauge\ng{x=\"1\"} 1\ng{x=\"3\"} 1\ng{x=\"4} 1\ng{x=\"5\"} 1\n",
		"one twice":      "first 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\n# TYPE s summary\ns{quantile=\"1\"} 3\ns{quantile=\"1.0\"} 3\ns_sum 1\n# TYPE g gauge\ng{x=\"1\"} 1\ng{x=\"3\"} 1\ng{x=\"5\"} 1\ng{x=\"3\"} 2\n",
	} {
		for _, contentType := range []string{text004, openText} {
			t.Run(name+" "+contentType, func(t *testing.T) {
				end := ""
				if contentType == openText {
					end = "# EOF\n"
				}
				r, err := newRules(testTarget, &Config{})
				if err != nil {
					t.Fatal(err)
				}
				p := newPair(t, r)
				p.body(former+end, contentType)
				p.body(next+end, contentType)
				if p.replayed == 0 && p.failed == 0 {
					t.Error("the layout was not used")
				}
				p.body(former+end, contentType)
				p.body(next+end, contentType)
				p.stop()
			})
		}
	}
}
