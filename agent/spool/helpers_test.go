package spool

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SPOOL_TEST_CHILD"); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// rig is a log under test with what it logs.
type rig struct {
	*Log
	t   testing.TB
	out *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func openRig(t testing.TB, o Options, d disk) *rig {
	t.Helper()
	out := new(logBuffer)
	o.Logger = slog.New(slog.NewTextHandler(out, nil))
	l, err := open(o, d)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{l, t, out}
	t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.Close(); err != nil {
		r.t.Error(err)
	}
}

// run runs the log until the function returned is called.
func (r *rig) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	}
}

// payload of record n, of so many bytes and at least 8: nothing in it is like another's.
func payload(n, size int) []byte {
	b := make([]byte, max(size, 8))
	for i := range b {
		b[i] = byte(n*31 + i*7)
	}
	binary.LittleEndian.PutUint64(b, uint64(n))
	return b
}

// put appends record n of so many bytes, with its number as the weight and a minute of its own.
func (r *rig) put(n, size int) {
	r.t.Helper()
	b := payload(n, size)
	if err := r.Append(byte(n), time.Now().UnixMilli(), uint32(n), b[:4], b[4:]); err != nil {
		r.t.Fatal(err)
	}
}

// take checks the front and takes it away, and returns its number; -1 when nothing waits.
func (r *rig) take() int {
	r.t.Helper()
	n := r.look()
	if n >= 0 {
		r.Advance()
	}
	return n
}

func (r *rig) look() int {
	r.t.Helper()
	rec, ok, err := r.TryPeek()
	if err != nil {
		r.t.Fatal(err)
	}
	if !ok {
		return -1
	}
	n := int(binary.LittleEndian.Uint64(rec.Payload))
	if !bytes.Equal(rec.Payload, payload(n, len(rec.Payload))) || rec.Kind != byte(n) || rec.Weight != uint32(n) {
		r.t.Fatalf("record %d is not what was appended: %d bytes, kind %d, weight %d", n, len(rec.Payload), rec.Kind, rec.Weight)
	}
	return n
}

// drain takes all that waits.
func (r *rig) drain() (ns []int) {
	r.t.Helper()
	for n := r.take(); n >= 0; n = r.take() {
		ns = append(ns, n)
	}
	return ns
}

func (r *rig) wantDropped(why Reason, records, weight int64) {
	r.t.Helper()
	d := r.Stats().Dropped
	if d[why].Records != records || d[why].Weight != weight {
		r.t.Errorf("dropped by %v: %+v, want %d records of weight %d", why, d[why], records, weight)
	}
	for other := range reasons {
		if other != why && d[other] != (Amount{}) {
			r.t.Errorf("dropped by %v as well: %+v", other, d[other])
		}
	}
}

// files returns the names and sizes of the segments.
func files(t testing.TB, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+SegmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	s := ""
	for _, n := range names {
		info, err := os.Stat(n)
		if err != nil {
			t.Fatal(err)
		}
		s += fmt.Sprintf("%s:%d ", filepath.Base(n)[12:16], info.Size())
	}
	return s
}

func span(from, to int) (ns []int) {
	for ; from < to; from++ {
		ns = append(ns, from)
	}
	return ns
}

func sumOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
