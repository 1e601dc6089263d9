package remotewrite

import (
	"google.golang.org/protobuf/encoding/protowire"

	"outrider/telemetry"
)

// updater puts new pages in the place of former ones, in the order of the set.
type updater struct {
	w     *worker
	sh    *shape
	group *group // of the last page
}

func (u *updater) keep(p *page) {
	u.group = p.group
	u.group.next = append(u.group.next, p)
}

// replace makes pages of blocks that stand where others were. What these have of the same
// series is used again.
func (u *updater) replace(former []*page, blocks []*telemetry.Block) {
	u.sh.gone = append(u.sh.gone, former...)
	c := cursor{pages: former}
	for _, b := range blocks {
		if p := c.page(); p != nil {
			u.group = p.group
		}
		u.group.next = append(u.group.next, u.page(&c, b))
	}
	for p := c.page(); p != nil; p = c.page() {
		u.drop(p, c.i)
		c.step()
	}
}

func (u *updater) page(c *cursor, b *telemetry.Block) *page {
	w, sh := u.w, u.sh
	p := newPage(u.group, b, 0, b.Len())
	w.begin()
	for i := range b.Len() {
		n, ok := c.find(b, i)
		if !ok {
			why, h := w.look(sh, p, i)
			if h == 0 || !sh.index.has(h) {
				w.series(sh, p, i, why, h)
				continue
			}
			if n, ok = c.findHash(h, b, i); !ok {
				w.series(sh, p, i, why, h)
				continue
			}
		}
		for range n {
			u.drop(c.page(), c.i)
			c.step()
		}
		u.recycle(c.page(), c.i, p, i)
		c.step()
	}
	w.finish(sh, p)
	return p
}

// drop takes note that a series of a former page is gone.
func (u *updater) drop(p *page, i int) {
	p.group.left++
	if h := p.hashes[i]; h != 0 && u.sh.index.remove(h) {
		u.w.affect(h)
	}
}

// recycle takes series i of a former page over into another, as its series j.
func (u *updater) recycle(from *page, i int, p *page, j int) {
	why := from.reason(i)
	p.note(from.hashes[i], why)
	if why != kept {
		return
	}
	md := p.block.Metadata(j)
	if u.sh.message == v1 || from.group == p.group && sameMetadata(md, from.block.Metadata(from.from+i)) {
		if template := u.w.former.template(from, i); template != nil {
			u.w.add(template, u.sh.timeLen)
			return
		}
	}
	u.w.labels, _ = u.sh.rl.series(u.w.labels[:0], p.block, j)
	u.w.encode(u.sh, p.group, u.w.labels, md)
}

func sameMetadata(a, b *telemetry.Metadata) bool {
	return a == b || metadataOf(a) == metadataOf(b)
}

// cursor walks over the series of former pages.
type cursor struct {
	pages []*page // the series is in the first of them
	i     int
}

// page returns the page that the cursor is in; nil at the end.
func (c *cursor) page() *page {
	for len(c.pages) > 0 && c.i == len(c.pages[0].hashes) {
		c.pages, c.i = c.pages[1:], 0
	}
	if len(c.pages) == 0 {
		return nil
	}
	return c.pages[0]
}

func (c *cursor) step() { c.i++ }

// lookAhead is how many series may have gone at once for the next to be found by comparing.
const lookAhead = 8

// find says whether series j of a block is ahead, but not far, and how many are before it.
func (c *cursor) find(b *telemetry.Block, j int) (n int, ok bool) {
	i := c.i
	for _, p := range c.pages {
		for ; i < len(p.hashes); i++ {
			if p.block.Same(p.from+i, b, j) {
				return n, true
			}
			if n++; n == lookAhead {
				return 0, false
			}
		}
		i = 0
	}
	return 0, false
}

// findHash is find of a series of which the hash is known, however far ahead.
func (c *cursor) findHash(h uint32, b *telemetry.Block, j int) (n int, ok bool) {
	i := c.i
	for _, p := range c.pages {
		for ; i < len(p.hashes); i++ {
			if p.hashes[i] == h && p.block.Same(p.from+i, b, j) {
				return n, true
			}
			n++
		}
		i = 0
	}
	return 0, false
}

// reader takes the series of a page out again, in their order.
type reader struct {
	page *page
	raw  []byte
	i    int // raw[at:] begins with series i of the page, or one behind it
	at   int
}

// template returns series i of a page up to its value, until it is asked for another page. It
// is nil if the page cannot be read.
func (r *reader) template(p *page, i int) []byte {
	if r.page != p {
		raw, err := p.wire.Bytes(r.raw)
		if err != nil {
			return nil
		}
		*r = reader{page: p, raw: raw}
	}
	for {
		why, begin := p.reason(r.i), r.at
		if why == kept {
			_, n := protowire.ConsumeBytes(r.raw[begin+1:]) // behind a tag of one byte
			if n < 0 {
				return nil
			}
			r.at += 1 + n
		}
		r.i++
		if r.i > i {
			return r.raw[begin:r.at]
		}
	}
}

// usedSymbols counts the symbols of a group that its series refer to.
func (w *worker) usedSymbols(g *group) int {
	used := make([]bool, g.syms.next)
	used[0] = true
	for _, p := range g.pages {
		raw, err := p.wire.Bytes(w.former.raw)
		if err != nil {
			continue // to no effect but that the table is made anew
		}
		w.former = reader{raw: raw}
		_ = eachField(raw, func(f field) error { return markSymbols(f.b, used) })
	}
	n := 0
	for _, u := range used {
		if u {
			n++
		}
	}
	return n
}

// markSymbols marks the symbols that a series refers to. Its exemplars are not in a page.
func markSymbols(series []byte, used []bool) error {
	return eachField(series, func(f field) error {
		switch f.num {
		case fieldV2LabelRefs:
			for b := f.b; len(b) > 0; {
				ref, n := protowire.ConsumeVarint(b)
				if n < 0 || ref >= uint64(len(used)) {
					return errRef
				}
				used[ref] = true
				b = b[n:]
			}
		case fieldV2Metadata:
			return eachField(f.b, func(f field) error {
				if f.num != fieldMetadataType && f.n < uint64(len(used)) {
					used[f.n] = true
				}
				return nil
			})
		}
		return nil
	})
}
