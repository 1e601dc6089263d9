package telemetry

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestBlockFind(t *testing.T) {
	set := NewSeriesSet([]labels.Labels{
		labels.FromStrings("__name__", "a", "x", "1"),
		labels.FromStrings("__name__", "a", "x", "2"),
		labels.FromStrings("x", "c"),
		labels.FromStrings("A", "b", "__name__", "upper"), // sorts before the name
		labels.FromStrings("__name__", "b", "x", "a"),
		labels.FromStrings("__name__", "b"),
		labels.EmptyLabels(),
		labels.FromStrings("__name__", "last"),
	}, make([]*Metadata, 8))
	b := set.Blocks()[0]
	for metric, want := range map[string]int{"a": 0, "b": 4, "upper": 3, "last": 7, "c": -1, "x": -1, "": 2} {
		if got := b.Find(metric); got != want {
			t.Errorf("%q: %d, want %d", metric, got, want)
		}
	}
}
