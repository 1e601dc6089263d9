package spool

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// When appended records are made to survive a power cut. Values above zero are an interval.
const (
	SyncDefault time.Duration = 0  // each second
	SyncAlways  time.Duration = -1 // before Append returns
	SyncNever   time.Duration = -2 // when the kernel writes them, after half a minute or so
)

// Bounds where Options do not say.
const (
	DefaultMaxBytes = 256 << 20
	defaultSync     = time.Second
	heldBytes       = 4 << 20 // in memory, while the disk takes nothing
	maxSegment      = 8 << 20
	minSegment      = 4 << 10
	startOver       = 1 << 20 // how large a segment grows of which all is dealt with
	retryDisk       = time.Second
	spareFor        = time.Minute // segments, after dropping one has made no room
)

// ErrClosed is what a log says after Close.
var ErrClosed = errors.New("spool is closed")

// InUseError says that another process holds the directory of a log.
type InUseError struct {
	Dir string
	PID string
}

func (e *InUseError) Error() string {
	return "spool " + e.Dir + " is in use by another process (pid " + e.PID + ")"
}

// Options say where a log is and how much it keeps.
type Options struct {
	Dir string // made when it is missing. Empty: the log is in memory, within the same bounds
	Limits
	Logger *slog.Logger // nil: none
}

// Limits are what can be changed while a log is open.
type Limits struct {
	MaxBytes int64         // of all files, or of all records in memory; 0 means DefaultMaxBytes
	MaxAge   time.Duration // of a record since its time; 0: any
	Sync     time.Duration // SyncDefault, SyncAlways, SyncNever, or an interval
}

// Reason says why records were dropped.
type Reason uint8

// The reasons. Damaged ones could not be read.
const (
	Size Reason = iota
	Age
	DiskFull
	DiskError
	Damaged
	reasons
)

var reasonNames = [reasons]string{"size", "age", "disk_full", "disk_error", "damaged"}

func (r Reason) String() string { return reasonNames[r] }

// Reasons is how many there are.
const Reasons = int(reasons)

// Amount is a number of records with their bytes and weights.
type Amount struct {
	Records int64
	Bytes   int64 // headers included; of damage all bytes that were skipped
	Weight  int64
}

func (a *Amount) add(b Amount) {
	a.Records += b.Records
	a.Bytes += b.Bytes
	a.Weight += b.Weight
}

func (a *Amount) sub(b Amount) { a.add(Amount{-b.Records, -b.Bytes, -b.Weight}) }

// Stats is the state of a log, and what became of its records since it was opened.
type Stats struct {
	Waiting   Amount
	Oldest    time.Time // of what waits, within a segment; zero when nothing does
	DiskBytes int64     // of all files, dealt with or not
	Used      int64     // what counts in the bound: the same, or the records in memory
	HeldBytes int64     // in memory, as the disk takes nothing

	Dropped   [Reasons]Amount
	TornBytes int64 // cut off at the end when the log was opened: a write that was not finished
	SetAside  int64 // segments that a newer version has written, renamed
	SyncFails int64

	DiskFailing bool // records are held in memory, or their position cannot be written
}

// segment is one file, or what is known of it.
type segment struct {
	id     uint64
	salt   uint32
	size   int64 // where the last good record ends
	start  int64 // where the first record is that is not dealt with
	left   Amount
	oldest int64    // of what is left, or was when it was opened
	newest int64    // time of the youngest record
	synced int64    // up to where a power cut spares it
	sealed bool     // nothing is appended any more
	f      *os.File // nil when it is synced and sealed
}

// Log is a log of records. Append and Stats are safe for any number of goroutines; Peek and
// Advance are for one.
type Log struct {
	dir      string
	disk     disk
	logger   *slog.Logger
	lockFile *os.File

	filled chan struct{} // holds a token when a record may have come
	dirty  chan struct{} // holds a token when something is to be synced
	ended  chan struct{} // closed by Close

	mu         sync.Mutex
	closed     bool
	limits     Limits
	segment    int64 // how large one becomes
	memory     int64 // bound of held
	cursor     *cursor
	segments   []*segment // the oldest first; records are appended to the last
	nextID     uint64
	held       memory
	removed    uint64 // how many records have left at the front: the number of the front
	peeked     bool   // the front was given out by Peek
	out        Amount // what the reader has in hand: the front, and what Include has added
	first      Amount // the front of it
	lost       Amount // of it, what has lost its place: only the reader still has it
	stats      Stats
	head       []byte // a header with what goes in one write with it
	retryAt    time.Time
	spareUntil time.Time
	trouble    error         // why records are held in memory
	drained    chan struct{} // closed when nothing waits; nil while nobody asks

	newNames    bool // files were made since the directory was synced
	syncFails   bool // the last sync
	cursorFails bool // the last write of the cursor

	reader reader // of the goroutine that peeks
}

// Open opens the log in a directory, or makes one, and takes the directory for itself. Damage
// is no error.
func Open(o Options) (*Log, error) { return open(o, realDisk()) }

func open(o Options, d disk) (*Log, error) {
	l := &Log{
		dir:    o.Dir,
		disk:   d,
		logger: o.Logger,
		filled: make(chan struct{}, 1),
		dirty:  make(chan struct{}, 1),
		ended:  make(chan struct{}),
		nextID: 1,
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	l.limit(o.Limits)
	if o.Dir == "" {
		return l, nil
	}
	if err := l.load(); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

// SetLimits changes the limits. What is beyond the new ones is dropped.
func (l *Log) SetLimits(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.limit(limits)
	l.trim(0)
	l.trimHeld()
}

func (l *Log) limit(limits Limits) {
	if limits.MaxBytes <= 0 {
		limits.MaxBytes = DefaultMaxBytes
	}
	if limits.Sync == SyncDefault {
		limits.Sync = defaultSync
	}
	l.limits = limits
	l.segment = min(max(limits.MaxBytes/8, minSegment), maxSegment)
	if l.memory = min(limits.MaxBytes, heldBytes); l.dir == "" {
		l.memory = limits.MaxBytes
	}
}

// release closes all files.
func (l *Log) release() error {
	var errs []error
	for _, f := range []*os.File{l.reader.f, l.lockFile} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if l.cursor != nil {
		errs = append(errs, l.cursor.f.Close())
	}
	for _, s := range l.segments {
		s.close()
	}
	return errors.Join(errs...)
}

func (s *segment) close() {
	if s.f != nil {
		s.f.Close()
		s.f = nil
	}
}

func (l *Log) path(id uint64) string { return filepath.Join(l.dir, segmentName(id)) }

// Close writes what is held in memory if the disk takes it, syncs, and gives the directory
// back. No Peek or Advance may be under way in another goroutine that was not told to end. In
// a log in memory what waits is lost.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	close(l.ended)
	l.wakeDrained()
	if l.dir == "" {
		return nil
	}
	l.retryAt = time.Time{}
	l.writeHeld(time.Now())
	for l.held.len() > 0 {
		l.dropHeld(l.heldReason())
	}
	l.drop(l.lost, Size)
	if l.limits.Sync != SyncNever {
		l.syncAll()
		if err := l.disk.sync(l.cursor.f); err != nil {
			l.syncFailed(err)
		}
	}
	return l.release()
}

// Stats returns the state.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.DiskFailing = l.trouble != nil || l.cursorFails
	if s.Used = l.held.bytes; l.dir != "" {
		s.Used, s.HeldBytes = s.DiskBytes, l.held.bytes
	}
	if ms, ok := l.oldest(); ok {
		s.Oldest = time.UnixMilli(ms)
	}
	return s
}

// oldest is the time of the front, or one not later. l.mu is held.
func (l *Log) oldest() (int64, bool) {
	for _, s := range l.segments {
		if s.left.Records > 0 {
			return s.oldest, true
		}
	}
	if r := l.held.front(); r != nil {
		return r.timeMs, true
	}
	return 0, false
}

// Dir is the directory; empty for a log in memory.
func (l *Log) Dir() string { return l.dir }
