package telemetry

import (
	"math"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

// Scrape is one scrape of one target, in columns. Whoever makes it owns it and may use
// its slices again once the sinks have returned.
type Scrape struct {
	Target *Target
	// TimeMs is when the scrape began, in milliseconds since the epoch. It grows from
	// scrape to scrape of a target, whatever the wall clock does, save where ClockReset is set.
	TimeMs int64
	// ClockReset says that the clock was set back by more than an hour since the scrape
	// before and is followed: all times may be before those of earlier scrapes of the target.
	ClockReset bool
	// Series are the final labels, in exposition order. Immutable and shared: the same
	// pointer as last time means the same shape.
	Series *SeriesSet
	// Values[i] belongs to Series.At(i) at TimeMs.
	Values []float64
	// Rest is what is not a plain float at TimeMs: native histograms, exemplars, samples
	// with their own timestamps, staleness markers.
	Rest []Sample
	// Failed says that the target did not answer as it should. Series then holds only
	// what the sidecar itself says of the scrape (up, scrape_*).
	Failed bool
}

// Sink takes a scrape. It must not keep it, its Values or Rest after it returns, and must not wait
// for a network: a scrape is never held up by a backend.
type Sink func(*Scrape) error

// Metadata describes a metric family. Unit and Help may be empty.
type Metadata struct {
	// Family is the name that TYPE and HELP lines carry, such as
	// http_request_duration_seconds for the series ..._bucket.
	Family string
	Type   model.MetricType
	Help   string
	Unit   string
}

// SeriesSet is the shape of an exposition: the labels of its plain float series in their
// order, in blocks. It is immutable, safe for concurrent use, and holds no series twice.
type SeriesSet struct {
	blocks []*Block
	starts []int // starts[i] is the index of the first series of blocks[i]
	len    int
}

// NewSeriesSet makes a set of blocks of its own. It takes ownership of both slices;
// metadata[i] belongs to series[i] and may be nil. It panics when their lengths differ, which
// is a bug of the caller.
func NewSeriesSet(series []labels.Labels, metadata []*Metadata) *SeriesSet {
	if len(series) != len(metadata) {
		panic("BUG: series and metadata differ in length")
	}
	syms := NewSymbols()
	var blocks []*Block
	for start := 0; start < len(series); start += BlockLen {
		end := min(start+BlockLen, len(series))
		coded := make([]Coded, 0, end-start)
		for _, lset := range series[start:end] {
			coded = append(coded, syms.Encode(lset))
		}
		blocks = append(blocks, NewBlock(syms, coded, metadata[start:end:end]))
	}
	return JoinBlocks(blocks)
}

// JoinBlocks makes a set of blocks in their order. It takes ownership of the slice.
func JoinBlocks(blocks []*Block) *SeriesSet {
	s := &SeriesSet{blocks: blocks, starts: make([]int, len(blocks))}
	for i, b := range blocks {
		s.starts[i] = s.len
		s.len += b.Len()
	}
	return s
}

// Len is the number of series.
func (s *SeriesSet) Len() int { return s.len }

// Blocks returns the parts of the set, which belong to the set: they are not to be changed.
func (s *SeriesSet) Blocks() []*Block { return s.blocks }

// At returns the labels of series i, metric name included.
func (s *SeriesSet) At(i int) labels.Labels {
	b, n := s.find(i)
	return b.At(n)
}

// Metadata returns what is known of the family of series i, or nil.
func (s *SeriesSet) Metadata(i int) *Metadata {
	b, n := s.find(i)
	return b.Metadata(n)
}

func (s *SeriesSet) find(i int) (*Block, int) {
	n, found := slices.BinarySearch(s.starts, i)
	if !found {
		n--
	}
	for s.blocks[n].Len() == 0 { // an empty block begins where the next one does
		n++
	}
	return s.blocks[n], i - s.starts[n]
}

// SampleKind says which field of a Sample holds its value.
type SampleKind uint8

// The kinds of samples that go in Scrape.Rest.
const (
	KindFloat          SampleKind = iota // Value, at TimeMs
	KindHistogram                        // Histogram, at TimeMs
	KindFloatHistogram                   // FloatHistogram, at TimeMs
	KindExemplar                         // only Exemplars, for a series that is in Series or elsewhere in Rest
)

// Sample is one sample that needs more than a float at the time of its scrape.
type Sample struct {
	Labels   labels.Labels
	Metadata *Metadata // may be nil
	Kind     SampleKind
	// InSeries is 1 + the index in Scrape.Series of the series that a KindExemplar belongs
	// to; 0 where the series is elsewhere in Rest, or whoever made it did not say.
	InSeries       int
	TimeMs         int64
	Value          float64
	Histogram      *histogram.Histogram
	FloatHistogram *histogram.FloatHistogram
	Exemplars      []exemplar.Exemplar
}

// Stale makes the marker that ends a series at timeMs.
func Stale(lset labels.Labels, timeMs int64) Sample {
	return Sample{Labels: lset, Kind: KindFloat, TimeMs: timeMs, Value: math.Float64frombits(value.StaleNaN)}
}

// IsStale says whether the sample is a staleness marker.
func (s *Sample) IsStale() bool {
	return s.Kind == KindFloat && value.IsStaleNaN(s.Value)
}
