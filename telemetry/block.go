package telemetry

import "github.com/prometheus/prometheus/model/labels"

// Block is a run of series that belong to one another for long: a part of one SeriesSet and
// of the next, as long as none of them comes or goes. Immutable and safe for concurrent use,
// so that what was derived from a block can be kept by its pointer.
type Block struct {
	syms     *Symbols // to compare alone: it goes on to grow
	strs     []string // of syms, as far as the block needs them
	series   []Coded
	metadata []*Metadata
}

// BlockLen is about how many series a block holds; none holds more than twice as many.
const BlockLen = 256

// NewBlock makes a block of label sets that syms has encoded. It takes ownership of both
// slices; metadata[i] belongs to series[i] and may be nil. It panics when their lengths
// differ, which is a bug of the caller.
func NewBlock(syms *Symbols, series []Coded, metadata []*Metadata) *Block {
	if len(series) != len(metadata) {
		panic("BUG: series and metadata differ in length")
	}
	return &Block{syms: syms, strs: syms.strs[:len(syms.strs):len(syms.strs)], series: series, metadata: metadata}
}

// Len is the number of series.
func (b *Block) Len() int { return len(b.series) }

// At returns the labels of series i of the block, metric name included. It makes them anew
// each time; see Each, Find and Same.
func (b *Block) At(i int) labels.Labels {
	made := labels.NewScratchBuilder(16)
	return b.series[i].labels(b.strs, &made)
}

// Each calls fn for the labels of series i of the block, in the order of their names.
func (b *Block) Each(i int, fn func(labels.Label)) {
	for l, c := (labels.Label{}), b.series[i]; len(c) > 0; {
		l, c = c.next(b.strs)
		fn(l)
	}
}

// Find returns the first series of a metric name, or -1. It is quick where series of one name
// stand together, as they do.
func (b *Block) Find(metric string) int {
	last := -1 // the name that was compared last
	for i, c := range b.series {
		if len(c) == 0 || c[0] != 0 { // another label comes before the name
			if c.name(b.strs) == metric {
				return i
			}
			continue
		}
		id, _ := c[1:].number()
		if int(id) == last {
			continue
		}
		if last = int(id); b.strs[id] == metric {
			return i
		}
	}
	return -1
}

// Same says whether series i of b has the labels of series j of other.
func (b *Block) Same(i int, other *Block, j int) bool {
	if b.syms == other.syms {
		return b.series[i] == other.series[j]
	}
	c, d := b.series[i], other.series[j]
	for len(c) > 0 && len(d) > 0 {
		var l, m labels.Label
		l, c = c.next(b.strs)
		if m, d = d.next(other.strs); l != m {
			return false
		}
	}
	return len(c) == len(d)
}

// Metadata returns what is known of the family of series i of the block, or nil.
func (b *Block) Metadata(i int) *Metadata { return b.metadata[i] }
