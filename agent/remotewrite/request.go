package remotewrite

import (
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"outrider/telemetry"
)

// lastGroup is the last of which a request is made; nil if there is none.
func (sh *shape) lastGroup() *group {
	for _, g := range slices.Backward(sh.groups) {
		if g.kept > 0 {
			return g
		}
	}
	return nil
}

// request makes one request of a group: its series with their values and exemplars, and the
// samples of the tail. The data belongs to the worker.
func (w *worker) request(sh *shape, g *group, s *telemetry.Scrape, rest *rest, tail []series) record {
	r := record{message: sh.message, counts: counts{series: g.kept, floats: g.kept}}
	sp := span{minMs: s.TimeMs, maxMs: s.TimeMs}
	first, last := g.pages[0], g.pages[len(g.pages)-1]
	added := rest.additions(first.start, last.start+len(last.hashes))

	// What is not in the pages is encoded first, for it may bring symbols, and those go in front.
	var syms *symbols
	if sh.message == v2 && len(added)+len(tail) > 0 {
		syms = newSymbols(g.syms)
	}
	w.more = w.more[:0]
	adds := w.exemplars(sh.message, added, syms, &r.counts)
	start := len(w.more)
	for i := range tail {
		w.more = appendSeries(w.more, sh.message, &tail[i], syms)
		r.counts.add(tail[i].counts())
		sp.join(tail[i].span())
	}

	const room = binary.MaxVarintLen32 // for the length, which is known at the end
	b := body{w: w, out: slices.Grow(w.out[:0], room+g.bytes())[:room]}
	b.elements(g.table, g.tableSize)
	if syms != nil {
		b.plain(syms.wire)
	}
	b.pages(sh, g, s, adds)
	b.plain(w.more[start:])
	w.out = b.out
	n := protowire.SizeVarint(uint64(b.size))
	binary.PutUvarint(w.out[room-n:], uint64(b.size))
	r.data = w.out[room-n:]
	r.minMs, r.maxMs = sp.minMs, sp.maxMs
	return r
}

// addition is what a series of a page has beside its value in one scrape: exemplars.
type addition struct {
	n    int // of the series in the set
	wire []byte
}

func (w *worker) exemplars(m message, added []exemplars, syms *symbols, c *counts) []addition {
	if len(added) == 0 {
		return nil
	}
	out := make([]addition, len(added))
	for i, a := range added {
		start := len(w.more)
		w.more = appendExemplars(w.more, m, a.samples, syms)
		out[i] = addition{n: a.n, wire: w.more[start:len(w.more):len(w.more)]}
		c.exemplars += len(a.samples)
	}
	return out
}

// bytes is about what a request of the group takes.
func (g *group) bytes() int {
	n := len(g.table)
	for _, p := range g.pages {
		n += p.wire.Size()
	}
	return n
}

// body is a request in the making: elements of a snappy block, and the uncompressed length of
// what they stand for.
type body struct {
	w    *worker
	out  []byte
	size int
}

func (b *body) elements(elements []byte, size int) {
	b.out = append(b.out, elements...)
	b.size += size
}

// plain takes bytes that are not compressed yet.
func (b *body) plain(raw []byte) {
	b.out = b.w.appendElements(b.out, raw)
	b.size += len(raw)
}

// pages takes all pages of a group. Those with additions are taken apart.
func (b *body) pages(sh *shape, g *group, s *telemetry.Scrape, adds []addition) {
	var buf [binary.MaxVarintLen64]byte
	time := binary.AppendUvarint(buf[:0], uint64(s.TimeMs))
	for _, p := range g.pages {
		values := b.w.valuesOf(p, s)
		n := 0
		for n < len(adds) && adds[n].n < p.start+len(p.hashes) {
			n++
		}
		if n > 0 {
			b.plain(b.w.amend(p, values, time, adds[:n]))
			adds = adds[n:]
			continue
		}
		b.out = p.wire.Append(b.out, values, time)
		b.size += p.wire.Len()
	}
}

// valuesOf returns the values of the series of a page that are sent.
func (w *worker) valuesOf(p *page, s *telemetry.Scrape) []float64 {
	all := s.Values[p.start : p.start+len(p.hashes)]
	if p.why == nil {
		return all
	}
	w.floats = w.floats[:0]
	for i, v := range all {
		if p.why[i] == kept {
			w.floats = append(w.floats, v)
		}
	}
	return w.floats
}

// amend returns the series of a page uncompressed, with additions. It is for pages that are
// made by ourselves and in memory: one that cannot be read is a bug.
func (w *worker) amend(p *page, values []float64, time []byte, adds []addition) []byte {
	w.plain = w.plain[:0]
	n := 0
	for i := range p.hashes {
		if p.reason(i) != kept {
			continue
		}
		template := w.former.template(p, i)
		if template == nil {
			panic("BUG: a page is damaged")
		}
		head, tag := template[:valueAt(len(template), len(time))], template[len(template)-len(time)-1]
		add := len(adds) > 0 && adds[0].n == p.start+i
		if add {
			head, w.plain = lengthen(w.plain, head, len(adds[0].wire))
		}
		w.plain = append(w.plain, head...)
		w.plain = binary.LittleEndian.AppendUint64(w.plain, math.Float64bits(values[n]))
		w.plain = append(w.plain, tag)
		w.plain = append(w.plain, time...)
		if add {
			w.plain = append(w.plain, adds[0].wire...)
			adds = adds[1:]
		}
		n++
	}
	return w.plain
}

// lengthen appends the beginning of a series that is by more bytes longer than its template
// says, and returns what is left of the head of the template.
func lengthen(dst, head []byte, by int) (rest, out []byte) {
	num, kind, n := protowire.ConsumeTag(head)
	size, m := protowire.ConsumeVarint(head[n:])
	dst = protowire.AppendTag(dst, num, kind)
	dst = protowire.AppendVarint(dst, size+uint64(by))
	return head[n+m:], dst
}
