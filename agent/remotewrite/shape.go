package remotewrite

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/encoding/protowire"

	"outrider/telemetry"
)

// shape is a SeriesSet made ready for one endpoint: relabelled, freed of duplicates and
// encoded up to the values. As long as a target's SeriesSet stays the same, a scrape needs no
// more than this and its values.
type shape struct {
	set     *telemetry.SeriesSet
	message message
	samples int // per page; see limits
	timeLen int // encoded length of the timestamps that the pages are made for

	pages   []page
	source  []uint32          // source[n] is the index in set of the n-th encoded series
	byHash  map[uint64]uint32 // hash of the final labels to n
	others  []uint32          // those n whose hash another has taken
	skipped skipCounts        // with each scrape
}

// page is a run of encoded series that go in one request.
type page struct {
	first  int      // n of the first series
	static []byte   // each series from its tag to where its value goes
	ends   []uint32 // ends[i] is where series first+i ends in static
	syms   *symbols // of 2.0
}

// buildShape encodes what stays the same. timeMs stands for the timestamps to come, which
// have to be as long when encoded.
func buildShape(set *telemetry.SeriesSet, rl *relabeller, m message, lim limits, timeMs int64) *shape {
	sh := &shape{
		set:     set,
		message: m,
		samples: lim.samples,
		timeLen: timeLen(timeMs),
		byHash:  make(map[uint64]uint32, set.Len()),
		source:  make([]uint32, 0, set.Len()),
	}
	perPage := evenly(set.Len(), lim.samples)
	var (
		pg      *page
		scratch []label
	)
	for i := range set.Len() {
		lset, why := rl.process(set.At(i))
		if why == kept {
			if _, dup := sh.find(lset, rl); dup {
				why = skipDuplicate
			}
		}
		if why != kept {
			sh.skipped[why]++
			continue
		}
		if pg == nil || len(pg.ends) >= perPage || pg.size(sh.timeLen) > lim.bytes {
			sh.pages = append(sh.pages, page{first: len(sh.source)})
			pg = &sh.pages[len(sh.pages)-1]
			if m == v2 {
				pg.syms = newSymbols(nil)
			}
		}
		scratch = appendLabels(scratch[:0], lset)
		pg.add(m, scratch, metadataOf(set.Metadata(i)), sh.timeLen)
		if len(pg.ends) == 1 { // the others will be about as long
			n := min(perPage, set.Len()-i)
			pg.static = slices.Grow(pg.static, min(n*len(pg.static), lim.bytes))
			pg.ends = slices.Grow(pg.ends, n)
		}
		sh.note(lset.Hash(), uint32(i))
	}
	return sh
}

// timeLen is the encoded length of a timestamp.
func timeLen(ms int64) int { return protowire.SizeVarint(uint64(ms)) }

// evenly splits n into parts of at most limit, as equal as they can be.
func evenly(n, limit int) int {
	parts := max(1, (n+limit-1)/limit)
	return max(1, (n+parts-1)/parts)
}

// note records that the series at index i of the set is encoded next.
func (sh *shape) note(hash uint64, i uint32) {
	n := uint32(len(sh.source))
	if _, taken := sh.byHash[hash]; taken {
		sh.others = append(sh.others, n)
	} else {
		sh.byHash[hash] = n
	}
	sh.source = append(sh.source, i)
}

// find returns n of the series whose final labels are lset. Labels are not kept for this: on
// a hit, which is rare, those of the series are made again to compare them.
func (sh *shape) find(lset labels.Labels, rl *relabeller) (n uint32, ok bool) {
	n, ok = sh.byHash[lset.Hash()]
	if !ok {
		return 0, false
	}
	if sh.is(n, lset, rl) {
		return n, true
	}
	for _, n := range sh.others {
		if sh.is(n, lset, rl) {
			return n, true
		}
	}
	return 0, false
}

func (sh *shape) is(n uint32, lset labels.Labels, rl *relabeller) bool {
	have, _ := rl.process(sh.set.At(int(sh.source[n])))
	return labels.Equal(have, lset)
}

// add encodes one series up to its value.
func (p *page) add(m message, ls []label, md metadata, timeLen int) {
	num, sampleNum := protowire.Number(fieldV1Series), protowire.Number(fieldV1Samples)
	if m == v2 {
		num, sampleNum = fieldV2Series, fieldV2Samples
	}
	sampleLen := 1 + 8 + 1 + timeLen
	p.static = appendMessage(p.static, num, func(dst []byte) []byte {
		if m == v2 {
			dst = appendShapeV2(dst, ls, md, p.syms)
		} else {
			dst = appendShapeV1(dst, ls)
		}
		dst = protowire.AppendTag(dst, sampleNum, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(sampleLen))
		dst = protowire.AppendTag(dst, fieldSampleValue, protowire.Fixed64Type)
		// Room for the value and the timestamp, so that the length in front is right.
		return append(dst, make([]byte, sampleLen-1)...)
	})
	p.static = p.static[:len(p.static)-(sampleLen-1)]
	p.ends = append(p.ends, uint32(len(p.static)))
}

// size is that of the request that the page makes.
func (p *page) size(timeLen int) int {
	n := len(p.static) + len(p.ends)*(8+1+timeLen)
	if p.syms != nil {
		n += p.syms.size()
	}
	return n
}

// addition is what a series of a page has beside its value in one scrape: exemplars.
type addition struct {
	n    int // of the series
	wire []byte
}

// appendTo appends the series of the page with their values of one scrape. The additions
// are those for series of this page, in their order.
func (p *page) appendTo(dst []byte, values []float64, source []uint32, timeMs int64, adds []addition) []byte {
	var buf [11]byte
	tail := appendVarint(buf[:0], fieldSampleTime, uint64(timeMs))
	start := uint32(0)
	for i, end := range p.ends {
		head := p.static[start:end]
		start = end
		n := p.first + i
		if len(adds) > 0 && adds[0].n == n {
			head, dst = p.lengthen(dst, head, len(adds[0].wire))
		}
		dst = append(dst, head...)
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(values[source[n]]))
		dst = append(dst, tail...)
		if len(adds) > 0 && adds[0].n == n {
			dst = append(dst, adds[0].wire...)
			adds = adds[1:]
		}
	}
	return dst
}

// lengthen appends the beginning of a series that is by more bytes longer than its static
// part says, and returns the rest of the static part.
func (p *page) lengthen(dst, head []byte, by int) (rest, out []byte) {
	num, kind, n := protowire.ConsumeTag(head)
	size, m := protowire.ConsumeVarint(head[n:])
	dst = protowire.AppendTag(dst, num, kind)
	dst = protowire.AppendVarint(dst, size+uint64(by))
	return head[n+m:], dst
}
