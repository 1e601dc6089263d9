package remotewrite

import (
	"encoding/binary"
	"errors"
	"time"

	"outrider/agent/spool"
)

// What a queue keeps of a record beside its data stands in front of it, as numbers of variable
// length. The message is the type of the spool's record, the samples are its weight. It is
// read again by later versions: a change of it needs another type.

const maxHead = 8 + 6*binary.MaxVarintLen64

// appendHead appends what is known of the record beside its data.
func (r *record) appendHead(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, r.target)
	for _, n := range [...]int{r.counts.series, r.counts.floats, r.counts.histograms, r.counts.exemplars} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	dst = binary.AppendVarint(dst, r.minMs)
	return binary.AppendUvarint(dst, uint64(r.maxMs-r.minMs))
}

var errHead = errors.New("not a request that this version can read")

// readRecord makes a record of what came out of a spool. Its data is valid as long as that.
func readRecord(from spool.Record) (record, error) {
	r := record{message: message(from.Kind), queued: time.UnixMilli(from.TimeMs)}
	b := from.Payload
	if r.message != v1 && r.message != v2 || len(b) < 8 {
		return record{}, errHead
	}
	r.target, b = binary.LittleEndian.Uint64(b), b[8:]
	for _, n := range [...]*int{&r.counts.series, &r.counts.floats, &r.counts.histograms, &r.counts.exemplars} {
		v, size := binary.Uvarint(b)
		if size <= 0 || v > maxDecoded {
			return record{}, errHead
		}
		*n, b = int(v), b[size:]
	}
	lowest, n := binary.Varint(b)
	if n <= 0 {
		return record{}, errHead
	}
	b = b[n:]
	width, n := binary.Uvarint(b)
	if n <= 0 || r.counts.samples() != int(from.Weight) {
		return record{}, errHead
	}
	r.minMs, r.maxMs, r.data = lowest, lowest+int64(width), b[n:]
	return r, nil
}
