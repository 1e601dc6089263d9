package remotewrite

import "time"

// limits bounds one request.
type limits struct {
	samples int
	bytes   int // uncompressed
}

// Bounds of a request, so that a service of 10,000 series has one. Receivers take more; smaller
// requests lose less when one is refused, and cost a receiver no noticeable wait.
const (
	defaultRequestSamples = 20_000
	maxRequestBytes       = 8 << 20
	minRequestSamples     = 100 // a receiver that refuses even this for its size gets it all the same
)

// reencode makes records of series, in their order, as few as the limits allow. A series
// larger than the limits has a record of its own.
func reencode(all []series, m message, lim limits, queued time.Time) []record {
	var out []record
	for start := 0; start < len(all); {
		end, c, bytes := start, counts{}, 0
		for end < len(all) {
			next, size := all[end].counts(), all[end].size()
			if end > start && (c.samples()+next.samples() > lim.samples || bytes+size > lim.bytes) {
				break
			}
			c.add(next)
			bytes += size
			end++
		}
		out = append(out, encodeSeries(all[start:end], m, queued))
		start = end
	}
	return out
}

// encodeSeries makes one record of series.
func encodeSeries(all []series, m message, queued time.Time) record {
	var (
		body []byte
		syms *symbols
		sp   = newSpan()
	)
	if m == v2 {
		syms = newSymbols(nil)
	}
	for i := range all {
		body = appendSeries(body, m, &all[i], syms)
		sp.join(all[i].span())
	}
	if m == v2 { // the table goes first: there are receivers that read in one pass
		body = append(syms.wire, body...)
	}
	data, _ := compress(nil, body)
	return record{message: m, data: data, counts: sumCounts(all), minMs: sp.minMs, maxMs: sp.maxMs, queued: queued}
}
