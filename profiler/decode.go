package profiler

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
	"github.com/klauspost/compress/gzip"
)

// Bounds on what a service may send. A large Go service sends a few hundred kilobytes;
// these are what the sidecar can stand, not what is sensible.
const (
	maxBody   = 16 << 20  // as sent, compressed or not
	maxRaw    = 64 << 20  // uncompressed
	maxParsed = 128 << 20 // in memory, as weigh estimates it
)

// decoded is a profile whose content has been checked.
type decoded struct {
	profile *profile.Profile
	data    []byte // gzipped
	size    int    // before compression
}

// decode checks what a service sent for a profile that must have the sample types
// expected ("type/unit"), and parses it. The body may be gzipped or not; the result
// refers to it.
func decode(body []byte, expected []string) (*decoded, error) {
	raw, data := body, []byte(nil)
	if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		var err error
		if raw, err = gunzip(body, maxRaw); err != nil {
			return nil, err
		}
		data = body
	}
	p, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if err := checkSampleTypes(p, expected); err != nil {
		return nil, err
	}
	if data == nil {
		data = compress(raw)
	}
	return &decoded{profile: p, data: data, size: len(raw)}, nil
}

// parse turns an uncompressed pprof protobuf of any origin into a valid profile.
func parse(raw []byte) (*profile.Profile, error) {
	if len(raw) == 0 {
		return nil, failf(reasonTruncated, "the service sent an empty body")
	}
	weight, err := weigh(raw)
	if err != nil {
		return nil, failf(reasonMalformed, "not a pprof protobuf: %w%s", err, looksLike(raw))
	}
	if weight > maxParsed {
		return nil, failf(reasonTooLarge, "the profile would take about %d MiB of memory; the limit is %d MiB", weight>>20, maxParsed>>20)
	}
	p, err := profile.ParseUncompressed(raw)
	if err != nil {
		return nil, failf(reasonMalformed, "parse profile: %w", err)
	}
	if err := p.CheckValid(); err != nil {
		return nil, failf(reasonMalformed, "check profile: %w", err)
	}
	return p, nil
}

// looksLike helps people who pointed the sidecar at something else.
func looksLike(raw []byte) string {
	switch start := bytes.TrimSpace(raw[:min(len(raw), 64)]); {
	case bytes.HasPrefix(start, []byte("<")):
		return " (it looks like HTML)"
	case bytes.HasPrefix(start, []byte("{")), bytes.HasPrefix(start, []byte("[")):
		return " (it looks like JSON)"
	case bytes.Contains(start, []byte("profile:")):
		return " (it looks like the text form, debug=1)"
	}
	return ""
}

func checkSampleTypes(p *profile.Profile, expected []string) error {
	var came []string
	for _, st := range p.SampleType {
		came = append(came, st.Type+"/"+st.Unit)
	}
	for _, want := range expected {
		if slices.Contains(came, want) {
			continue
		}
		if len(came) == 0 {
			return failf(reasonSampleTypes, "the profile has no sample types; %s was expected", strings.Join(expected, ", "))
		}
		return failf(reasonSampleTypes, "another kind of profile: it has %s, and not %s", strings.Join(came, ", "), want)
	}
	return nil
}

// gunzip uncompresses at most limit bytes.
func gunzip(data []byte, limit int64) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, failf(reasonMalformed, "gunzip profile: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(zr, limit+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, failf(reasonTruncated, "gunzip profile: the service sent only a part of it: %w", err)
	case err != nil:
		return nil, failf(reasonMalformed, "gunzip profile: %w", err)
	case int64(len(raw)) > limit:
		return nil, failf(reasonTooLarge, "the profile is larger than %d MiB when uncompressed", limit>>20)
	}
	return raw, nil
}

func compress(raw []byte) []byte {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	if _, err := zw.Write(raw); err != nil {
		panic("BUG: write to memory: " + err.Error())
	}
	if err := zw.Close(); err != nil {
		panic("BUG: write to memory: " + err.Error())
	}
	return buf.Bytes()
}

// encode is the inverse of parse; it returns the gzipped form and the size before that.
func encode(p *profile.Profile) (data []byte, size int) {
	var raw bytes.Buffer
	if err := p.WriteUncompressed(&raw); err != nil {
		panic("BUG: write to memory: " + err.Error())
	}
	return compress(raw.Bytes()), raw.Len()
}
