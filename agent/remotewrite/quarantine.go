package remotewrite

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of all files in quarantine together. A file counts with the blocks of a disk that it
// takes up.
const (
	quarantineBytes = 64 << 20
	quarantineFiles = 1000
	diskBlock       = 4096
)

const (
	quarantineSuffix = ".rw"
	partialSuffix    = ".tmp"
)

// quarantine keeps what a receiver refuses for good, one file for each refusal, so that
// people can look at it and send it again. Samples of series that are refused with each
// scrape share a file for a while, under the last reason. A file begins like an HTTP message:
// headers, an empty line, and then the request body that was refused. The oldest files go
// when there are too many. It is safe for concurrent use.
type quarantine struct {
	dir     string
	bound   int64
	metrics *metrics

	mu    sync.Mutex
	ready bool
	files []quarantineFile // the oldest first
	bytes int64
	seq   int
}

type quarantineFile struct {
	name string
	size int64 // on disk
}

// onDisk rounds up to whole blocks.
func onDisk(size int64) int64 { return (size + diskBlock - 1) / diskBlock * diskBlock }

// refusal says what is put in quarantine and why.
type refusal struct {
	endpoint string
	record   record
	series   string // one of them
	err      error
}

// newQuarantine makes no directory before there is something to keep.
func newQuarantine(dir string, m *metrics) *quarantine {
	q := &quarantine{dir: dir, bound: quarantineBytes, metrics: m}
	if _, err := os.Stat(dir); err == nil {
		_ = q.open() // tried again, and the error told, when something is to be kept
		m.quarantineBytes.Set(float64(q.bytes))
	}
	return q
}

// put writes a file, or over the one that an earlier call named, and returns its path. The
// file is there whole or, if it is new, not at all.
func (q *quarantine) put(r refusal, path string, now time.Time) (string, error) {
	data := r.encode(now)
	q.mu.Lock()
	defer q.mu.Unlock()
	size := onDisk(int64(len(data)))
	if size > q.bound {
		return "", fmt.Errorf("quarantine file of %d bytes is larger than %d", len(data), q.bound)
	}
	if err := q.open(); err != nil {
		return "", err
	}
	if path == "" {
		q.seq++
		path = filepath.Join(q.dir, fmt.Sprintf("%s-%06d%s", now.UTC().Format("20060102T150405.000000000Z"), q.seq, quarantineSuffix))
	}
	if err := os.WriteFile(path+partialSuffix, data, 0o600); err != nil {
		_ = os.Remove(path + partialSuffix)
		return "", fmt.Errorf("write quarantine file: %w", err)
	}
	if err := os.Rename(path+partialSuffix, path); err != nil {
		return "", fmt.Errorf("write quarantine file: %w", err)
	}
	q.enter(quarantineFile{name: filepath.Base(path), size: size})
	q.shrink()
	q.metrics.quarantineBytes.Set(float64(q.bytes))
	return path, nil
}

// enter puts a file in the list, or as the newest where it was: it was just written.
func (q *quarantine) enter(f quarantineFile) {
	if i := slices.IndexFunc(q.files, func(o quarantineFile) bool { return o.name == f.name }); i >= 0 {
		q.bytes -= q.files[i].size
		q.files = slices.Delete(q.files, i, i+1)
	}
	q.files = append(q.files, f)
	q.bytes += f.size
}

// encode renders the file. No value holds a line break: the error is one line already.
func (r refusal) encode(now time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Endpoint: %s\r\n", strconv.Quote(r.endpoint))
	fmt.Fprintf(&b, "Time: %s\r\n", now.UTC().Format(time.RFC3339Nano))
	fmt.Fprintf(&b, "Reason: %s\r\n", strconv.Quote(r.err.Error()))
	fmt.Fprintf(&b, "Message: %s\r\n", r.record.message)
	fmt.Fprintf(&b, "Series: %d\r\n", r.record.counts.series)
	fmt.Fprintf(&b, "Samples: %d\r\n", r.record.counts.samples())
	fmt.Fprintf(&b, "Example: %s\r\n", r.series)
	fmt.Fprintf(&b, "Content-Encoding: snappy\r\n\r\n")
	b.Write(r.record.data)
	return b.Bytes()
}

// open makes the directory and takes stock of what an earlier run left in it.
func (q *quarantine) open() error {
	if q.ready {
		return nil
	}
	if err := os.MkdirAll(q.dir, 0o700); err != nil {
		return fmt.Errorf("make quarantine directory: %w", err)
	}
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return fmt.Errorf("read quarantine directory: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil || !info.Mode().IsRegular():
		case strings.HasSuffix(e.Name(), quarantineSuffix+partialSuffix):
			_ = os.Remove(filepath.Join(q.dir, e.Name()))
		case strings.HasSuffix(e.Name(), quarantineSuffix):
			f := quarantineFile{name: e.Name(), size: onDisk(info.Size())}
			q.files = append(q.files, f)
			q.bytes += f.size
		}
	}
	slices.SortFunc(q.files, func(a, b quarantineFile) int { return strings.Compare(a.name, b.name) })
	q.ready = true
	return nil
}

// shrink deletes the oldest files until the rest is within the bounds.
func (q *quarantine) shrink() {
	n := 0
	for ; q.bytes > q.bound || len(q.files)-n > quarantineFiles; n++ {
		// A file that cannot be deleted is forgotten all the same: people may have moved it.
		_ = os.Remove(filepath.Join(q.dir, q.files[n].name))
		q.bytes -= q.files[n].size
		q.metrics.quarantineExpired.Inc()
	}
	q.files = slices.Delete(q.files, 0, n)
}
