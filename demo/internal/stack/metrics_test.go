package stack

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMetrics(t *testing.T) {
	got, err := ParseMetrics(`# TYPE requests counter
requests{code="200",b="x\"y"} 3
# TYPE took histogram
took_bucket{le="1"} 1
took_bucket{le="+Inf"} 2
took_sum 5.5
took_count 2
# TYPE size summary
size{quantile="0.5"} 7
size_sum 70
size_count 10
free 1
`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		`requests{b="x\"y",code="200"}`: 3,
		`took_bucket{le="1.0"}`:         1,
		`took_bucket{le="+Inf"}`:        2,
		`took_sum{}`:                    5.5,
		`took_count{}`:                  2,
		`size{quantile="0.5"}`:          7,
		`size_sum{}`:                    70,
		`size_count{}`:                  10,
		`free{}`:                        1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
