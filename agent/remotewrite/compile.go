package remotewrite

import (
	"encoding/binary"
	"slices"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"outrider/agent/remotewrite/wirepage"
	"outrider/telemetry"
)

// worker is the memory that encoding one scrape needs for a moment, and what makes pages.
type worker struct {
	compiler wirepage.Compiler
	raw      []byte   // series up to the values of a page in the making
	values   []uint32 // where the values are in raw
	labels   []label
	former   reader
	affected map[uint32]struct{} // hashes that several series had, of which some came or went

	rest   restIndex
	out    []byte // a request
	more   []byte // what is in no page
	plain  []byte // a page that is taken apart
	block  []byte // what that is compressed to
	floats []float64
}

// maxScratch bounds what is kept for the next scrape.
const maxScratch = 4 << 20

// release lets go of what is too large to keep.
func (w *worker) release() {
	w.affected = nil
	w.former = reader{raw: w.former.raw[:0]}
	if cap(w.raw)+cap(w.out)+cap(w.more)+cap(w.plain)+cap(w.block)+cap(w.former.raw) > maxScratch {
		*w = worker{}
	}
}

// appendTemplate appends one series up to its value and timestamp, for which it leaves room at
// the end: eight bytes, a tag and timeLen bytes.
func appendTemplate(dst []byte, m message, ls []label, md metadata, syms *symbols, timeLen int) []byte {
	num, sampleNum := protowire.Number(fieldV1Series), protowire.Number(fieldV1Samples)
	if m == v2 {
		num, sampleNum = fieldV2Series, fieldV2Samples
	}
	return appendMessage(dst, num, func(dst []byte) []byte {
		if m == v2 {
			dst = appendShapeV2(dst, ls, md, syms)
		} else {
			dst = appendShapeV1(dst, ls)
		}
		var zeros [8 + binary.MaxVarintLen64]byte
		dst = protowire.AppendTag(dst, sampleNum, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(sampleLen(timeLen)))
		dst = protowire.AppendTag(dst, fieldSampleValue, protowire.Fixed64Type)
		dst = append(dst, zeros[:8]...)
		dst = protowire.AppendTag(dst, fieldSampleTime, protowire.VarintType)
		return append(dst, zeros[:timeLen]...)
	})
}

// sampleLen is the encoded length of a sample: two tags, a value and a timestamp.
func sampleLen(timeLen int) int { return 1 + 8 + 1 + timeLen }

// valueAt is where the value is in a template that ends at end.
func valueAt(end, timeLen int) int { return end - sampleLen(timeLen) + 1 }

// add puts a series in the page in the making.
func (w *worker) add(template []byte, timeLen int) {
	w.raw = append(w.raw, template...)
	w.values = append(w.values, uint32(valueAt(len(w.raw), timeLen)))
}

// encode puts a series in the page in the making that no page had before.
func (w *worker) encode(sh *shape, g *group, ls []label, md *telemetry.Metadata) {
	w.raw = appendTemplate(w.raw, sh.message, ls, metadataOf(md), g.syms, sh.timeLen)
	w.values = append(w.values, uint32(valueAt(len(w.raw), sh.timeLen)))
}

func (w *worker) begin() { w.raw, w.values = w.raw[:0], w.values[:0] }

// finish makes the page of what was put in.
func (w *worker) finish(sh *shape, p *page) {
	p.wire = w.compiler.Compile(wirepage.Source{Bytes: w.raw, Values: w.values, Gap: 1, TimeLen: sh.timeLen})
}

func newPage(g *group, b *telemetry.Block, from, to int) *page {
	return &page{group: g, block: b, from: from, to: to, hashes: make([]uint32, 0, to-from)}
}

// compile makes a page of the series of a block from one on: of up to so many of them, and if
// they are large of no more than the request of the group has room for.
func (w *worker) compile(sh *shape, g *group, b *telemetry.Block, from, samples int) *page {
	p := newPage(g, b, from, b.Len())
	w.begin()
	i := from
	for ; i < b.Len() && len(w.values) < samples; i++ {
		if len(w.raw) > sh.lim.bytes/8 && g.size+g.pending()+len(w.raw) > sh.lim.bytes && g.kept+len(w.values) > 0 {
			break
		}
		why, h := w.look(sh, p, i)
		w.series(sh, p, i, why, h)
	}
	p.to = i
	w.finish(sh, p)
	return p
}

// look reads the labels of a series that no page had before, as they are sent. The hash is 0
// if they are not.
func (w *worker) look(sh *shape, p *page, i int) (why skip, h uint32) {
	w.labels, why = sh.rl.series(w.labels[:0], p.block, i)
	if why == kept {
		h = sh.rl.hash(w.labels)
	}
	return why, h
}

// series takes in the series that it has looked at. It takes it for a duplicate where another
// has its hash, until settle has looked into it.
func (w *worker) series(sh *shape, p *page, i int, why skip, h uint32) {
	if why == kept && sh.index.add(h) {
		w.affect(h)
		why = skipDuplicate
	}
	p.note(h, why)
	if why == kept {
		w.encode(sh, p.group, w.labels, p.block.Metadata(i))
	}
}

func (w *worker) affect(h uint32) {
	if w.affected == nil {
		w.affected = make(map[uint32]struct{})
	}
	w.affected[h] = struct{}{}
}

// remake makes a page again of the series that it is to have.
func (w *worker) remake(sh *shape, p *page) {
	w.begin()
	for i := range p.hashes {
		if p.reason(i) == kept {
			w.labels, _ = sh.rl.series(w.labels[:0], p.block, p.from+i)
			w.encode(sh, p.group, w.labels, p.block.Metadata(p.from+i))
		}
	}
	w.finish(sh, p)
}

// settle decides anew which series are duplicates where that may have changed: the first in
// the order of the set wins.
func (w *worker) settle(sh *shape) {
	if len(w.affected) == 0 {
		return
	}
	winners := make(map[uint32][][]label)
	for _, g := range sh.groups {
		for _, p := range g.pages {
			changed := false
			for i, h := range p.hashes {
				if _, ok := w.affected[h]; !ok {
					continue
				}
				ls, _ := sh.rl.series(nil, p.block, p.from+i)
				why := skipDuplicate
				if !slices.ContainsFunc(winners[h], func(won []label) bool { return slices.Equal(won, ls) }) {
					winners[h] = append(winners[h], ls)
					why = kept
				}
				if why != p.reason(i) {
					p.setReason(i, why)
					changed = true
				}
			}
			if changed {
				w.remake(sh, p)
			}
		}
	}
}

// pending is the size of symbols that are not in the table yet.
func (g *group) pending() int {
	if g.syms == nil {
		return 0
	}
	return len(g.syms.wire)
}

// extendTable puts new symbols behind the others in the table.
func (w *worker) extendTable(g *group) {
	if n := g.pending(); n > 0 {
		g.table = slices.Clip(w.appendElements(g.table, g.syms.wire))
		g.tableSize += n
		g.syms.wire = nil
	}
}

// appendElements appends what plain is compressed to, without the length in front: a piece of
// a snappy block, as pages are.
func (w *worker) appendElements(dst, plain []byte) []byte {
	if len(plain) == 0 {
		return dst
	}
	w.block = slices.Grow(w.block[:0], snappy.MaxEncodedLen(len(plain)))
	w.block = snappy.Encode(w.block[:cap(w.block)], plain)
	_, n := binary.Uvarint(w.block)
	return append(dst, w.block[n:]...)
}
