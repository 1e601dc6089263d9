package telemetry

import (
	"math"
	"net/url"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

func target(job, rawURL string, lset ...string) *Target {
	u, err := url.Parse(rawURL)
	if err != nil {
		panic(err)
	}
	return &Target{Job: job, URL: u, Labels: labels.FromStrings(lset...)}
}

func TestTargetKeyTellsTargetsApart(t *testing.T) {
	base := target("shop", "http://localhost:8080/metrics", "job", "shop", "instance", "pod-1:8080")
	same := target("shop", "http://localhost:8080/metrics", "instance", "pod-1:8080", "job", "shop")
	if base.Key() != same.Key() {
		t.Error("equal targets have different keys")
	}
	for name, other := range map[string]*Target{
		"job":    target("store", "http://localhost:8080/metrics", "job", "shop", "instance", "pod-1:8080"),
		"URL":    target("shop", "http://localhost:8081/metrics", "job", "shop", "instance", "pod-1:8080"),
		"labels": target("shop", "http://localhost:8080/metrics", "job", "shop", "instance", "pod-2:8080"),
	} {
		if base.Key() == other.Key() {
			t.Errorf("another %s does not make another key", name)
		}
	}
}

func TestTargetName(t *testing.T) {
	tests := []struct {
		labels []string
		want   string
	}{
		{[]string{"job", "shop", "instance", "pod-1:8080"}, "shop/pod-1:8080"},
		{[]string{"job", "scrape", "service_name", "shop", "instance", "pod-1:8080"}, "shop/pod-1:8080"},
		{nil, "/"},
	}
	for _, tt := range tests {
		if got := target("x", "http://h/", tt.labels...).Name(); got != tt.want {
			t.Errorf("%v: name %q, want %q", tt.labels, got, tt.want)
		}
	}
}

func TestStale(t *testing.T) {
	s := Stale(labels.FromStrings("__name__", "up"), 7)
	if !s.IsStale() || s.TimeMs != 7 || math.Float64bits(s.Value) != value.StaleNaN {
		t.Errorf("not a staleness marker: %+v", s)
	}
	ordinary := Sample{Kind: KindFloat, Value: math.NaN()}
	if ordinary.IsStale() {
		t.Error("an ordinary NaN counts as a staleness marker")
	}
}

func TestSeriesSetLengthsMustAgree(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a series without its metadata was taken")
		}
	}()
	NewSeriesSet(make([]labels.Labels, 2), make([]*Metadata, 1))
}

func TestSeriesSetOfBlocks(t *testing.T) {
	block := func(names ...string) *Block {
		var lsets []labels.Labels
		for _, n := range names {
			lsets = append(lsets, labels.FromStrings("__name__", n))
		}
		return NewBlock(lsets, make([]*Metadata, len(lsets)))
	}
	set := JoinBlocks([]*Block{block(), block("a", "b"), block(), block(), block("c"), block()})
	var got string
	for i := range set.Len() {
		got += set.At(i).Get("__name__")
	}
	if got != "abc" || len(set.Blocks()) != 6 {
		t.Errorf("series %q of %d blocks", got, len(set.Blocks()))
	}
	if n := NewSeriesSet(make([]labels.Labels, 2*BlockLen+1), make([]*Metadata, 2*BlockLen+1)); n.Len() != 2*BlockLen+1 || len(n.Blocks()) != 3 {
		t.Errorf("%d series in %d blocks", n.Len(), len(n.Blocks()))
	}
	if NewSeriesSet(nil, nil).Len() != 0 {
		t.Error("an empty set has series")
	}
}
