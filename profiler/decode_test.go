package profiler

import (
	"bytes"
	"compress/gzip"
	"io"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func TestDecode(t *testing.T) {
	good := rawOf(makeProfile(memoryTypes, stacks{"main;a": {1, 2, 3, 4}}))
	zipped := compress(good)
	for _, tt := range []struct {
		name   string
		body   []byte
		reason string
		text   string
	}{
		{name: "gzipped", body: zipped},
		{name: "not gzipped", body: good},
		{name: "empty", body: nil, reason: reasonTruncated, text: "the service sent an empty body"},
		{name: "gzip of nothing", body: compress(nil), reason: reasonTruncated, text: "the service sent an empty body"},
		{name: "half of it", body: zipped[:len(zipped)/2], reason: reasonTruncated, text: "the service sent only a part of it"},
		{name: "broken gzip", body: append([]byte{0x1f, 0x8b, 8}, bytes.Repeat([]byte{0xff}, 40)...), reason: reasonMalformed, text: "gunzip profile"},
		{name: "wrong checksum", body: flip(zipped, len(zipped)-6), reason: reasonMalformed, text: "gunzip profile: gzip: invalid checksum"},
		{name: "half of it, not gzipped", body: good[:len(good)-3], reason: reasonMalformed, text: "not a pprof protobuf: unexpected EOF"},
		{name: "HTML", body: []byte("<html><body>hi</body></html>"), reason: reasonMalformed, text: "(it looks like HTML)"},
		{name: "JSON", body: []byte(`{"status":"ok"}`), reason: reasonMalformed, text: "(it looks like JSON)"},
		{name: "text form", body: []byte("goroutine profile: total 12\n"), reason: reasonMalformed, text: "(it looks like the text form, debug=1)"},
		{name: "binary", body: bytes.Repeat([]byte{0xff, 0x00, 0x81}, 100), reason: reasonMalformed, text: "not a pprof protobuf"},
		{
			name:   "another kind",
			body:   compress(rawOf(makeProfile(lookup("cpu").sampleTypes, stacks{"main": {1, 1}}))),
			reason: reasonSampleTypes,
			text:   "another kind of profile: it has samples/count, cpu/nanoseconds, and not alloc_objects/count",
		},
		{
			name:   "no sample types",
			body:   []byte{profileString<<3 | 2, 0},
			reason: reasonSampleTypes,
			text:   "the profile has no sample types; alloc_objects/count, alloc_space/bytes, inuse_objects/count, inuse_space/bytes was expected",
		},
		{
			name:   "dangling ids",
			body:   protowire.AppendBytes(protowire.AppendTag(bytes.Clone(good), profileSample, protowire.BytesType), []byte{sampleLocation << 3, 99}),
			reason: reasonMalformed,
			text:   "check profile",
		},
		{
			name:   "gzip bomb",
			body:   compress(make([]byte, maxRaw+1)),
			reason: reasonTooLarge,
			text:   "larger than 64 MiB when uncompressed",
		},
		{
			name:   "a few bytes a sample",
			body:   compress(bytes.Repeat([]byte{profileSample<<3 | 2, 0}, 4<<20)),
			reason: reasonTooLarge,
			text:   "the profile would take about 640 MiB of memory; the limit is 128 MiB",
		},
		{
			name:   "one sample with millions of frames",
			body:   compress(protowire.AppendBytes([]byte{profileSample<<3 | 2}, append([]byte{sampleLocation<<3 | 2, 0x80, 0x80, 0x80, 0x08}, make([]byte, 16<<20)...))),
			reason: reasonTooLarge,
			text:   "of memory; the limit is 128 MiB",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := decode(tt.body, memoryTypes)
			if tt.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				if raw, err := gunzip(d.data, maxRaw); err != nil || !bytes.Equal(raw, good) || d.size != len(good) {
					t.Errorf("data: %d bytes, error %v; want the bytes as sent", len(raw), err)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			if got := reasonOf(err); got != tt.reason || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("reason %s, error %q; want %s, %q", got, err, tt.reason, tt.text)
			}
		})
	}
}

func TestDecodeKeepsTheBytesOfTheService(t *testing.T) {
	body := compress(rawOf(makeProfile(memoryTypes, stacks{"main;a": {1, 2, 3, 4}})))
	d, err := decode(body, memoryTypes)
	if err != nil {
		t.Fatal(err)
	}
	if &d.data[0] != &body[0] {
		t.Error("a gzipped body was compressed again")
	}
}

// A bomb must cost no more than the bound.
func TestGunzipIsBounded(t *testing.T) {
	const limit = 1 << 20
	bomb := compress(make([]byte, 64<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := gunzip(bomb, limit)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("no error")
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 16*limit {
		t.Errorf("allocated %d KiB for a bound of %d", taken>>10, limit>>10)
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0x55
	return b
}

// weigh must not be far below what the parser really takes, or it bounds nothing.
func TestWeighIsHonest(t *testing.T) {
	for name, raw := range map[string][]byte{
		"empty samples": bytes.Repeat([]byte{profileSample<<3 | 2, 0}, 100_000),
		"labels": append(bytes.Repeat([]byte{
			profileSample<<3 | 2, 6, sampleLabel<<3 | 2, 4, 1 << 3, 0, 3 << 3, 1,
		}, 50_000), profileString<<3|2, 0),
		"locations": bytes.Repeat([]byte{profileLocation<<3 | 2, 2, locationLine<<3 | 2, 0}, 100_000),
		"functions": bytes.Repeat([]byte{profileFunction<<3 | 2, 0, profileString<<3 | 2, 0}, 100_000),
		"mappings":  bytes.Repeat([]byte{profileMapping<<3 | 2, 0, profileString<<3 | 2, 0}, 100_000),
		"frames":    protowire.AppendBytes([]byte{profileSample<<3 | 2}, append([]byte{sampleLocation<<3 | 2, 0xc0, 0x84, 0x3d}, make([]byte, 1_000_000)...)),
		"comments":  protowire.AppendBytes([]byte{13<<3 | 2}, make([]byte, 1_000_000)),
	} {
		t.Run(name, func(t *testing.T) {
			estimate, err := weigh(raw)
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			p, err := parse(raw)
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(p)
			taken := after.TotalAlloc - before.TotalAlloc // also what was thrown away at once
			t.Logf("estimate %d, allocated %d in all, error %v", estimate, taken, err)
			if int64(taken) > 2*estimate {
				t.Errorf("the parser took %d bytes, the estimate is %d", taken, estimate)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"allocs", "goroutine", "mutex", "block", "threadcreate"} {
		var buf bytes.Buffer
		if err := pprof.Lookup(name).WriteTo(&buf, 0); err != nil {
			f.Fatal(err)
		}
		f.Add(buf.Bytes())
		zr, err := gzip.NewReader(&buf)
		if err != nil {
			f.Fatal(err)
		}
		raw, err := io.ReadAll(zr)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	small := rawOf(makeProfile(memoryTypes, stacks{"main;a|k=v": {1, 2, 3, 4}, "main;b": {-1, 0, 0, 0}}))
	f.Add(small)
	f.Add(small[:len(small)-5])
	f.Add(append(bytes.Clone(small), small...))
	f.Add(compress(small)[:30])
	f.Add([]byte("<html>"))
	f.Add([]byte{profileSample<<3 | 2, 2, sampleLocation << 3, 9})
	f.Add([]byte{profileString<<3 | 2, 1, 0xff})

	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := decode(body, nil)
		if err != nil {
			return
		}
		// What was accepted can be handled by all that comes after.
		if again, err := decode(d.data, nil); err != nil || again.size != d.size {
			t.Fatalf("decode again: %v", err)
		}
		for _, st := range d.profile.SampleType {
			columns := []string{st.Type}
			same, err := delta(d.profile, d.profile, columns)
			if err != nil {
				t.Fatalf("delta with itself: %v", err)
			}
			encode(same)
			if s := snapshot(d.profile, columns); s != nil {
				data, _ := encode(s)
				if _, err := decode(data, nil); err != nil {
					t.Fatalf("decode snapshot: %v", err)
				}
			}
		}
		empty(d.profile)
	})
}
