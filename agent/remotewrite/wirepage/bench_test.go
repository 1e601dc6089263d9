package wirepage

import (
	"fmt"
	"testing"

	"github.com/klauspost/compress/snappy"
)

// BenchmarkCompile makes pages of 256 series as remote write 1.0 has them, and compresses the
// same bytes by snappy for comparison.
func BenchmarkCompile(b *testing.B) {
	var statics [][]byte
	for i := range 256 {
		le := []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"}[i%12]
		s := fmt.Sprintf("\n\x30\n\x08__name__\x12\x24http_request_duration_seconds_bucket\n\x0b\n\x04code\x12\x03%d\n\x20\n\x07handler\x12\x15/api/v1/resource%d\n\x28\n\x08instance\x12\x1echeckout-6d5f7c9b8-x2x7k:8080\n\x0f\n\x03job\x12\x08checkout\n\x0b\n\x02le\x12%c%s\n\r\n\x06method\x12\x03%s\x12\x10\x09",
			200+i%3*100, i/36, len(le), le, []string{"GET", "POST", "PUT"}[i/12%3])
		statics = append(statics, append([]byte{'\n', byte(len(s)), 1}, s...))
	}
	src := source([]byte{0x10}, 6, statics...)
	var c Compiler
	b.Run("page", func(b *testing.B) {
		b.SetBytes(int64(len(src.Bytes)))
		for b.Loop() {
			c.Compile(src)
		}
	})
	b.Run("snappy", func(b *testing.B) {
		b.SetBytes(int64(len(src.Bytes)))
		var buf []byte
		for b.Loop() {
			buf = snappy.Encode(buf[:cap(buf)], src.Bytes)
		}
	})
}
