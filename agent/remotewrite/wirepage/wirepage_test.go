package wirepage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	gsnappy "github.com/golang/snappy"
	"github.com/klauspost/compress/snappy"
)

// source makes one of statics: behind each but the last comes a value.
func source(gap []byte, timeLen int, statics ...[]byte) Source {
	src := Source{Gap: len(gap), TimeLen: timeLen}
	for i, s := range statics {
		src.Bytes = append(src.Bytes, s...)
		if i == len(statics)-1 {
			break
		}
		src.Values = append(src.Values, uint32(len(src.Bytes)))
		src.Bytes = append(src.Bytes, make([]byte, 8)...)
		src.Bytes = append(src.Bytes, gap...)
		src.Bytes = append(src.Bytes, make([]byte, timeLen)...)
	}
	return src
}

// patched is what a page has to stand for.
func (s Source) patched(values []float64, time []byte) []byte {
	out := bytes.Clone(s.Bytes)
	for i, at := range s.Values {
		binary.LittleEndian.PutUint64(out[at:], math.Float64bits(values[i]))
		copy(out[int(at)+8+s.Gap:], time)
	}
	return out
}

// check holds pages of sources, one behind the other, against the plain bytes.
func check(t *testing.T, c *Compiler, rnd *rand.Rand, sources ...Source) (size int) {
	t.Helper()
	pages := make([]Page, len(sources))
	for i, s := range sources {
		pages[i] = c.Compile(s)
		raw, err := pages[i].Bytes(nil)
		if err != nil || !bytes.Equal(raw, s.Bytes) {
			t.Fatalf("page %d does not give its bytes back: %v", i, err)
		}
		if pages[i].Len() != len(s.Bytes) || pages[i].Values() != len(s.Values) {
			t.Fatalf("page %d: length %d of %d, %d of %d values", i, pages[i].Len(), len(s.Bytes), pages[i].Values(), len(s.Values))
		}
	}
	for range 2 { // the second time with other numbers
		var want, body []byte
		for i := range pages {
			values := make([]float64, len(sources[i].Values))
			for j := range values {
				values[j] = math.Float64frombits(rnd.Uint64())
			}
			time := make([]byte, sources[i].TimeLen)
			for j := range time {
				time[j] = byte(rnd.Uint32())
			}
			want = append(want, sources[i].patched(values, time)...)
			body = pages[i].Append(body, values, time)
			size += pages[i].Size()
		}
		block := append(binary.AppendUvarint(nil, uint64(len(want))), body...)
		for name, decode := range map[string]func(dst, src []byte) ([]byte, error){"golang": gsnappy.Decode, "klauspost": snappy.Decode} {
			got, err := decode(nil, block)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: decoded bytes differ from the plain ones", name)
			}
		}
	}
	return size / 2
}

func TestCompile(t *testing.T) {
	gap := []byte{0x10}
	var alike, long [][]byte
	for i := range 400 {
		alike = append(alike, fmt.Appendf(nil, "requests_total{code=%q, handler=\"/api/v1/resource%d\"}", []string{"200", "404", "5000"}[i%3], i/9))
	}
	for i := range 5 { // each farther from the next than a copy reaches
		long = append(long, append(bytes.Repeat([]byte{byte(i), 7, byte(i >> 1)}, 30_000), alike[i]...))
	}
	zeros := bytes.Repeat([]byte{0}, 300)
	for _, tt := range []struct {
		name    string
		sources []Source
	}{
		{"nothing", []Source{{}}},
		{"no values", []Source{source(nil, 0, []byte("abcabcabcabcabcabcabcabc"))}},
		{"no times", []Source{source(nil, 0, alike...)}},
		{"short times", []Source{source(nil, 1, alike...), source(nil, 2, zeros[:3], zeros, zeros[:4], zeros)}},
		{"alike", []Source{source(gap, 6, alike...)}},
		{"pages", []Source{source(gap, 6, alike[:200]...), source(gap, 6, alike[100:300]...), source(gap, 6, alike...)}},
		{"nothing but zeros, as in the holes", []Source{source([]byte{0}, 6, zeros, zeros, zeros[:20], nil, nil, zeros)}},
		{"nothing between values", []Source{source(gap, 6, make([][]byte, 50)...)}},
		{"far apart", []Source{source(gap, 6, long...)}},
		{"a literal of more than 64 KiB", []Source{source(gap, 6, noise(1<<17), alike[0], alike[1])}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check(t, new(Compiler), rand.New(rand.NewPCG(1, 2)), tt.sources...)
		})
	}
}

func noise(n int) []byte {
	rnd, b := rand.New(rand.NewPCG(3, 4)), make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func TestCompileLeavesNoTrace(t *testing.T) {
	// A page does not depend on what the compiler made before.
	src := source([]byte{0x10}, 6, []byte("a metric{x=1}"), []byte("a metric{x=2}"), []byte("a metric{x=3}"))
	want := new(Compiler).Compile(src)
	c := new(Compiler)
	c.Compile(source([]byte{0x10}, 5, []byte("a metric{x=1}"), noise(5000), []byte("a metric{x=4}")))
	got := c.Compile(src)
	if !bytes.Equal(got.elements, want.elements) {
		t.Error("a page differs after another was made")
	}
}

func TestCompileCompresses(t *testing.T) {
	var statics [][]byte
	for i := range 256 {
		statics = append(statics, fmt.Appendf(nil, "http_request_duration_seconds_bucket{handler=\"/api/v1/resource%d\", le=%d}", i/12, i%12))
	}
	src := source([]byte{0x10}, 6, statics...)
	size := check(t, new(Compiler), rand.New(rand.NewPCG(1, 2)), src)
	if n := len(src.Bytes); size > n/3 {
		t.Errorf("a page of %d bytes takes %d", n, size)
	}
}

func TestBytesOfADamagedPage(t *testing.T) {
	c := new(Compiler)
	p := c.Compile(source([]byte{0x10}, 6, []byte("some bytes"), []byte("more bytes")))
	p.block[0]++
	if _, err := p.Bytes(nil); err == nil {
		t.Error("a page that is too short is read without an error")
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	c := new(Compiler)
	p := c.Compile(source([]byte{0x10}, 6, []byte("some bytes"), []byte("more bytes")))
	dst, values, time := make([]byte, 0, p.Size()), []float64{1}, make([]byte, 6)
	if n := testing.AllocsPerRun(100, func() { dst = p.Append(dst[:0], values, time) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzCompile cuts the input into statics wherever it has a byte below 4, and makes a page of
// its halves and of all of it.
func FuzzCompile(f *testing.F) {
	f.Add([]byte("metric_total{a=1}\x00metric_total{a=2}\x00metric_total{a=3}\x00"), uint8(1), uint8(6))
	f.Add(bytes.Repeat([]byte{4}, 200), uint8(0), uint8(0))
	f.Add([]byte("\x00\x00\x00\x01\x02\x03"), uint8(3), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, gap, timeLen uint8) {
		cut := func(b []byte) Source {
			statics := bytes.FieldsFunc(b, func(r rune) bool { return r < 4 })
			return source(bytes.Repeat([]byte{0}, int(gap%4)), int(timeLen%11), statics...)
		}
		half := len(data) / 2
		check(t, new(Compiler), rand.New(rand.NewPCG(1, 2)), cut(data), cut(data[:half]), cut(data[half:]))
	})
}
