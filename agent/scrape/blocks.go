package scrape

import (
	"slices"

	"outrider/telemetry"
)

func (st *state) newBlock(series []*series) *telemetry.Block {
	lsets := make([]telemetry.Coded, len(series))
	metas := make([]*telemetry.Metadata, len(series))
	for i, s := range series {
		lsets[i], metas[i] = s.labels, s.meta
	}
	return telemetry.NewBlock(st.syms, lsets, metas)
}

// The length of new blocks. Those that were made stay as long as they can, and short ones are
// joined with a neighbour when one of them has to be made anew.
const (
	maxBlock = telemetry.BlockLen * 3 / 2
	minBlock = telemetry.BlockLen / 4
)

// newSet makes the set of a sequence. Blocks of the former set that the sequence has whole are
// used again.
func (st *state) newSet(next []*series) *telemetry.SeriesSet {
	former := st.formerBlocks()
	var blocks []*telemetry.Block
	begin := 0 // next[begin:i] is in no block yet
	cut := func(i int) {
		if n := len(blocks); i > begin && i-begin < minBlock && n > 0 {
			begin -= blocks[n-1].Len()
			blocks = blocks[:n-1]
		}
		parts := (i - begin + maxBlock - 1) / maxBlock
		for ; parts > 0; parts-- {
			end := begin + (i-begin)/parts
			blocks = append(blocks, st.newBlock(next[begin:end]))
			begin = end
		}
	}
	for i := 0; i < len(next); {
		b := st.formerAt(former, next[i:])
		if b == nil {
			i++
			continue
		}
		cut(i)
		blocks = append(blocks, b)
		i += b.Len()
		begin = i
	}
	cut(len(next))
	return telemetry.JoinBlocks(append(blocks, st.reportSet.Blocks()...))
}

// formerBlock is a block of the former set and the column where it began.
type formerBlock struct {
	*telemetry.Block
	column int
}

func (st *state) formerBlocks() []formerBlock {
	if st.set == nil {
		return nil
	}
	blocks := st.set.Blocks()
	out := make([]formerBlock, 0, len(blocks))
	column := 0
	for _, b := range blocks[:len(blocks)-len(st.reportSet.Blocks())] {
		out = append(out, formerBlock{b, column})
		column += b.Len()
	}
	return out
}

// formerAt returns the former block that the sequence begins with, or nil.
func (st *state) formerAt(former []formerBlock, next []*series) *telemetry.Block {
	if !next[0].inPlain {
		return nil
	}
	n, found := slices.BinarySearchFunc(former, int(next[0].column), func(b formerBlock, column int) int { return b.column - column })
	if !found || former[n].Len() > len(next) {
		return nil
	}
	b := former[n]
	for i, s := range st.plain[b.column : b.column+b.Len()] {
		if next[i] != s || b.Metadata(i) != s.meta {
			return nil
		}
	}
	return b.Block
}
