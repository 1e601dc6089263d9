package scrape

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/relabel"
)

// TestDifferencesFound are the cases in which the layout once said something else than the parser,
// as small as they came.
func TestDifferencesFound(t *testing.T) {
	const a = "# HELP a As.\n# TYPE a gauge\n"
	for _, tc := range []struct {
		name   string
		cfg    Config
		bodies []string
		whole  bool // the layout is of no use for any of them
	}{
		{name: "a refused body changes metadata", bodies: []string{
			a + "a 1\nb 1\n", a + "a 1\nb 1\n",
			"# HELP a Other.\n# TYPE a gauge\na 1\nb x\n",
			a + "a 1\nb 1\n", a + "a 1\nb 1\nb{n=\"1\"} 1\n",
		}},
		{name: "families that were only repeated, and then are gone", bodies: append(
			slices.Repeat([]string{a + "a 1\nb 1\n"}, 15), slices.Repeat([]string{"a 1\nb 1\n"}, 12)...),
		},
		{name: "families that were repeated beside edits that no layout is made of", cfg: Config{HonorTimestamps: true}, bodies: slices.Concat(
			slices.Repeat([]string{a + "a 1\nb 1\n"}, 3), []string{a + "a 1\nb 1\nb 1 1795604370000\n"}, slices.Repeat([]string{"b 1\n"}, 12),
		)},
		{name: "timestamps for the first time, in a refused body", cfg: Config{HonorTimestamps: true}, bodies: slices.Concat(
			slices.Repeat([]string{"a 1\nb 1\n"}, 3), []string{"a 1 1795604370000\nb x\n"}, slices.Repeat([]string{"a 1\nb 1\n"}, 12), []string{"b 1\n"},
		)},
		{name: "the time of a body that was refused after another", cfg: Config{HonorTimestamps: true, LabelLimit: 3}, bodies: []string{
			"a 1\nb 1\n", "a 1\nb 1\n", "a 1\nb 1\nc{x=\"1\"} 1\n", "a 1\nb 1\nc{x=\"1\"} 1\n", "a 1 1795604378500\nb 1\n",
		}},
		{name: "metadata behind the last sample", bodies: slices.Concat(
			slices.Repeat([]string{"b 1\n# HELP z Z.\n"}, 3), slices.Repeat([]string{"b 1\n# HELP y Y.\n", "b 1\n# HELP y Y.\n\n"}, 7),
		)},
		{name: "metadata behind the samples that it is about", bodies: []string{
			a + "a 1\n# TYPE b gauge\nb 1\n", a + "a 1\n# TYPE b gauge\nb 1\n# HELP a Other.\n",
			a + "a 1\n# TYPE b gauge\nb 1\n# HELP a Other.\n", a + "a 1\n# TYPE b gauge\nb 1\n# HELP a Other.\n",
			"# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# HELP a Another.\n", "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# HELP a Another.\n", "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# HELP a Another.\n",
		}},
		{name: "lines twice beyond sample_limit", whole: true, cfg: Config{SampleLimit: 3}, bodies: []string{
			strings.Repeat("a 1\nb 1\nc 1\nd 1\n", 2), strings.Repeat("a 1\nb 1\nc 1\nd 1\n", 3), "a 1\nb 1\nc 1\n", "a 1\nb 1\nc 1\nd 1\na 1\n",
		}},
		{name: "a plain line behind one with a timestamp", cfg: Config{HonorTimestamps: true}, bodies: []string{
			"a 1\nb 1\n", "a 1\nb 1\n", "a 1 1795604370000\na 1\nb 1\n", "a 1 1795604371000\na 1\nb 1\n",
		}},
		{name: "another type before a unit that only has HELP", bodies: []string{
			"# TYPE h counter\nh 1\n# HELP x X.\nx{le=\"1\"} 1\nx{le=\"2\"} 1\n",
			"# TYPE h counter\nh 1\n# HELP x X.\nx{le=\"1\"} 1\nx{le=\"2\"} 1\n",
			"# TYPE h counter\nh 1\n# TYPE i histogram\ni 1\n# HELP x X.\nx{le=\"1\"} 1\nx{le=\"2\"} 1\n",
		}},
		{name: "several families of one name", bodies: []string{
			a + "a 1\n# HELP a Another a.\n# TYPE a counter\na_total 1\nb 1\n",
			a + "a 1\n# HELP a Another a.\n# TYPE a counter\na_total 1\nb 1\n",
			a + "a 1\n# HELP a Another a.\n# TYPE a counter\na_total 1\nb{n=\"1\"} 1\n",
			"# HELP a Another a.\n# TYPE a counter\na_total 1\nb{n=\"1\"} 1\n",
			a + "a 1\n# HELP a Another a.\n# TYPE a counter\na_total 1\nb 1\n# HELP a A third.\na 2\n",
			a + "a 1\nb 1\n",
		}},
		{name: "another line for the same series", cfg: Config{MetricRelabelConfigs: []*relabel.Config{dropLabels("n")}}, bodies: []string{
			"a 1\nb 1\nc 1\n", "a 1\nb 1\nc 1\n", "a 1\nb{n=\"1\"} 1\nb 1\nc 1\n", "a 1\nb{n=\"1\"} 1\nb 1\nc 1\n",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := newRules(testTarget, &tc.cfg)
			if err != nil {
				t.Fatal(err)
			}
			p := newPair(t, r)
			for _, body := range tc.bodies {
				p.fast.st.strikes = 0
				p.body(body, text004)
			}
			p.stop()
			if (p.replayed == 0) != tc.whole {
				t.Errorf("%d bodies were read with the layout", p.replayed)
			}
		})
	}
}
