package telemetry

import (
	"fmt"
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
	syms := NewSymbols()
	block := func(names ...string) *Block {
		var lsets []Coded
		for _, n := range names {
			lsets = append(lsets, syms.Encode(labels.FromStrings("__name__", n)))
		}
		return NewBlock(syms, lsets, make([]*Metadata, len(lsets)))
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

func TestSymbols(t *testing.T) {
	syms := NewSymbols()
	sets := []labels.Labels{
		labels.EmptyLabels(),
		labels.FromStrings("__name__", "up"),
		labels.FromStrings("Zone", "a", "__name__", "up", "instance", "pod-1:8080"),
		labels.FromStrings("instance", "up"),
	}
	for i := range 300 { // numbers of more than one byte
		sets = append(sets, labels.FromStrings("__name__", "requests_total", fmt.Sprint("label", i), fmt.Sprint(i)))
	}
	coded := map[Coded]int{}
	for i, lset := range sets {
		c := syms.Encode(lset)
		if _, twice := coded[c]; twice {
			t.Errorf("%s is coded like another", lset)
		}
		coded[c] = i
	}
	for c, i := range coded {
		if got := syms.Decode(c); !labels.Equal(got, sets[i]) || syms.Name(c) != sets[i].Get("__name__") {
			t.Errorf("got %s named %q, want %s", got, syms.Name(c), sets[i])
		}
		if j, ok := coded[Coded(syms.Key(sets[i]))]; !ok || j != i {
			t.Errorf("%s is not found", sets[i])
		}
	}
	if _, ok := coded[Coded(syms.Key(labels.FromStrings("__name__", "down")))]; ok {
		t.Error("found what is not there")
	}

	again := NewRecoder(syms)
	for c, i := range coded {
		if i%2 == 0 {
			continue // their strings are let go of
		}
		if got := again.Recode(c); !labels.Equal(again.Symbols().Decode(got), sets[i]) || got != again.Symbols().Encode(sets[i]) {
			t.Errorf("%s is numbered anew as %q", sets[i], got)
		}
	}
	if n := again.Symbols().Len(); n > syms.Len()/2+10 {
		t.Errorf("%d of %d strings are left", n, syms.Len())
	}

	other := NewSymbols()
	other.Encode(sets[50])
	a := NewBlock(syms, []Coded{syms.Encode(sets[2]), syms.Encode(sets[60])}, make([]*Metadata, 2))
	b := NewBlock(other, []Coded{other.Encode(sets[60]), other.Encode(sets[2])}, make([]*Metadata, 2))
	if !a.Same(0, b, 1) || a.Same(0, b, 0) || !a.Same(1, a, 1) || a.Same(0, a, 1) {
		t.Error("blocks do not tell their series apart")
	}
	longer := NewBlock(other, []Coded{other.Encode(labels.EmptyLabels()), other.Encode(sets[1])}, make([]*Metadata, 2))
	shorter := NewBlock(syms, []Coded{syms.Encode(labels.FromStrings("__name__", "up", "x", "y")), syms.Encode(sets[0])}, make([]*Metadata, 2))
	if longer.Same(1, shorter, 0) || shorter.Same(0, longer, 1) || longer.Same(0, shorter, 0) || !longer.Same(0, shorter, 1) {
		t.Error("blocks take the beginning of labels for all of them")
	}
	var each []labels.Label
	a.Each(0, func(l labels.Label) { each = append(each, l) })
	if !labels.Equal(labels.New(each...), sets[2]) || !labels.Equal(a.At(0), sets[2]) {
		t.Errorf("got %v", each)
	}
}
