package remotewrite

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"outrider/agent/remotewrite/wirepage"
	"outrider/telemetry"
)

// shape is a SeriesSet made ready for one endpoint: relabelled, freed of duplicates, encoded
// and compressed up to the values. As long as a target's SeriesSet stays the same, a scrape
// needs no more than this and its values; when series come or go, the pages of the blocks that
// stay are used again.
type shape struct {
	set     *telemetry.SeriesSet
	rl      *relabeller
	message message
	lim     limits
	timeLen int // encoded length of the timestamps that the pages are made for

	groups  []*group
	pages   []*page // of all groups, in the order of the set
	cut     bool    // a block is in several pages
	index   index
	skipped skipCounts // with each scrape

	gone     []*page // of the set before, if it was another
	goneHash index   // of the pages gone, once it was asked for
}

// group is what goes in one request: pages, and in 2.0 their symbols.
type group struct {
	pages []*page
	next  []*page // while pages are replaced
	size  int     // of the request, uncompressed
	kept  int     // series

	syms      *symbols // of 2.0
	table     []byte   // the symbols as elements of a snappy block
	tableSize int      // uncompressed
	left      int      // series that left since it was known how many symbols are in use
}

// page is a run of series of one block.
type page struct {
	wire     wirepage.Page
	group    *group
	block    *telemetry.Block
	from, to int      // of the block
	start    int      // index in the set of series from
	hashes   []uint32 // of the final labels of each series; 0 where none are sent
	why      []skip   // each is not sent; nil where all are
	skipped  skipCounts
}

func (p *page) reason(i int) skip {
	if p.why == nil {
		return kept
	}
	return p.why[i]
}

func (p *page) setReason(i int, why skip) {
	if p.why == nil {
		if why == kept {
			return
		}
		p.why = make([]skip, len(p.hashes), p.to-p.from)
	}
	p.skipped[p.why[i]]--
	p.why[i] = why
	p.skipped[why]++
}

// note takes in the next series.
func (p *page) note(hash uint32, why skip) {
	p.hashes = append(p.hashes, hash)
	if p.why != nil {
		p.why = append(p.why, kept)
	}
	p.skipped[kept]++
	p.setReason(len(p.hashes)-1, why)
}

// timeLen is the encoded length of a timestamp.
func timeLen(ms int64) int { return protowire.SizeVarint(uint64(ms)) }

// evenly splits n into parts of at most limit, as equal as they can be.
func evenly(n, limit int) int {
	parts := max(1, (n+limit-1)/limit)
	return max(1, (n+parts-1)/parts)
}

// follow makes the shape that of a scrape.
func (sh *shape) follow(w *worker, s *telemetry.Scrape, m message, lim limits) {
	length := timeLen(s.TimeMs)
	if sh.set == s.Series && sh.message == m && sh.lim == lim && sh.timeLen == length {
		return
	}
	same := sh.set != nil && sh.message == m && sh.lim == lim && sh.timeLen == length
	sh.set, sh.message, sh.lim, sh.timeLen = s.Series, m, lim, length
	if !same || !sh.update(w) {
		sh.build(w)
	}
}

// forget lets go of the set before.
func (sh *shape) forget() { sh.gone, sh.goneHash = nil, index{} }

// tally brings what is known of groups and of all up to date with their pages.
func (sh *shape) tally() {
	sh.skipped, sh.pages = skipCounts{}, sh.pages[:0]
	start := 0
	for _, g := range sh.groups {
		g.size, g.kept = g.tableSize, 0
		for _, p := range g.pages {
			p.start = start
			start += p.to - p.from
			g.size += p.wire.Len()
			g.kept += p.wire.Values()
			for why, n := range p.skipped {
				if skip(why) != kept {
					sh.skipped[why] += n
				}
			}
			sh.pages = append(sh.pages, p)
		}
	}
}

// find returns the index in the set of the series whose final labels are ls, of which h is the
// hash. Labels are not kept for this: on a hit, which is rare, those of the series are made
// again to compare them.
func (sh *shape) find(h uint32, ls []label) (n int, ok bool) {
	if !sh.index.has(h) {
		return 0, false
	}
	return sh.findIn(sh.pages, h, ls)
}

func (sh *shape) findIn(pages []*page, h uint32, ls []label) (n int, ok bool) {
	for _, p := range pages {
		for i, have := range p.hashes {
			if have == h && p.reason(i) == kept && sh.is(p, i, ls) {
				return p.start + i, true
			}
		}
	}
	return 0, false
}

func (sh *shape) is(p *page, i int, ls []label) bool {
	have, why := sh.rl.series(nil, p.block, p.from+i)
	return why == kept && slices.Equal(have, ls)
}

// sends says whether series n of the set is sent, not left out.
func (sh *shape) sends(n int) bool {
	if n < 0 || n >= sh.set.Len() {
		return false
	}
	k, found := slices.BinarySearchFunc(sh.pages, n, func(p *page, n int) int { return p.start - n })
	if !found {
		k--
	}
	p := sh.pages[k]
	return n-p.start < len(p.hashes) && p.reason(n-p.start) == kept
}

// was says whether the set before this one had a series that this one has not.
func (sh *shape) was(h uint32, ls []label) bool {
	if len(sh.gone) == 0 {
		return false
	}
	if sh.goneHash.n == 0 {
		for _, p := range sh.gone {
			for _, h := range p.hashes {
				if h != 0 {
					sh.goneHash.add(h)
				}
			}
		}
	}
	if !sh.goneHash.has(h) {
		return false
	}
	_, was := sh.findIn(sh.gone, h, ls)
	return was
}
