package sink

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
)

// Protocol is how a request is written.
type Protocol int

// The protocols.
const (
	V1   Protocol = iota // prometheus.WriteRequest in snappy
	V2                   // io.prometheus.write.v2.Request in snappy
	Zstd                 // prometheus.WriteRequest in zstd, which VictoriaMetrics's own programs speak
)

func (p Protocol) String() string { return [...]string{"1.0", "2.0", "zstd"}[p] }

// protocolOf reads the headers of a request.
func protocolOf(h http.Header) (Protocol, error) {
	switch encoding := h.Get("Content-Encoding"); encoding {
	case "zstd":
		return Zstd, nil
	case "snappy":
		if strings.Contains(h.Get("Content-Type"), "io.prometheus.write.v2.Request") {
			return V2, nil
		}
		return V1, nil
	default:
		return 0, fmt.Errorf("content encoding %q is neither snappy nor zstd", encoding)
	}
}

// maxMessage is the largest message that is unpacked.
const maxMessage = 256 << 20

// unpacker decompresses one body after the other. Its zero value is ready.
type unpacker struct {
	zstd *zstd.Decoder
	buf  []byte
}

// unpack returns the message in a body, valid until the next call.
func (u *unpacker) unpack(p Protocol, body []byte) (msg []byte, err error) {
	if p == Zstd {
		if u.zstd == nil {
			if u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxMessage), zstd.WithDecoderConcurrency(1)); err != nil {
				return nil, fmt.Errorf("unpack zstd: %w", err)
			}
		}
		if u.buf, err = u.zstd.DecodeAll(body, u.buf[:0]); err != nil {
			return nil, fmt.Errorf("unpack zstd: %w", err)
		}
		return u.buf, nil
	}
	n, err := snappy.DecodedLen(body)
	if err != nil {
		return nil, fmt.Errorf("unpack snappy: %w", err)
	}
	if n > maxMessage {
		return nil, fmt.Errorf("unpack snappy: a message of %d bytes is too large", n)
	}
	if msg, err = snappy.Decode(u.buf[:cap(u.buf)], body); err != nil {
		return nil, fmt.Errorf("unpack snappy: %w", err)
	}
	u.buf = msg
	return msg, nil
}

func (u *unpacker) close() {
	if u.zstd != nil {
		u.zstd.Close()
	}
}
