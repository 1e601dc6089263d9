package faults

import (
	"fmt"
	"sync"
	"time"
)

// book is what a receiver has stored: for each series a value at each time, and of which
// request it came last. It notices what must never happen: another value at a time that it
// has, and a time older than the newest of a series. It is safe for concurrent use.
type book struct {
	mu       sync.Mutex
	series   map[string]*line
	receipts []receipt
	repeats  []repeat
	samples  int // stored, each once
	again    int // of those that came again as they were
	changed  violations
	disorder violations
}

// line is one series.
type line struct {
	target, name, label string // label is i or gen, where it has one
	newest              int64
	at                  map[int64]entry
}

type entry struct {
	bits uint64
	req  int // index in receipts
}

// receipt is one request that was stored.
type receipt struct {
	arrived time.Time
	samples int
	// repeatedBy is the first request that had a sample of this one again, -1 for none.
	repeatedBy int
}

// repeat says that a request was sent again, or a part of it.
type repeat struct {
	first, again time.Time // when the two arrived
}

// violations counts what must not happen and keeps the first few for people.
type violations struct {
	n     int
	first []string
}

func (v *violations) add(format string, args ...any) {
	v.n++
	if len(v.first) < 3 {
		v.first = append(v.first, fmt.Sprintf(format, args...))
	}
}

func newBook() *book { return &book{series: map[string]*line{}} }

// store takes a request in.
func (b *book) store(arrived time.Time, samples []sample) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := len(b.receipts)
	b.receipts = append(b.receipts, receipt{arrived: arrived, samples: len(samples), repeatedBy: -1})
	for _, s := range samples {
		l := b.line(s.key)
		old, ok := l.at[s.timeMs]
		switch {
		case !ok:
			if s.timeMs < l.newest {
				b.disorder.add("%s at %d after %d", show(s.key), s.timeMs, l.newest)
			}
			l.newest = max(l.newest, s.timeMs)
			b.samples++
		case old.bits != s.bits:
			b.changed.add("%s at %d is %x, was %x", show(s.key), s.timeMs, s.bits, old.bits)
		default:
			b.again++
			if r := &b.receipts[old.req]; r.repeatedBy < 0 && old.req != id {
				r.repeatedBy = id
				b.repeats = append(b.repeats, repeat{first: r.arrived, again: arrived})
			}
		}
		l.at[s.timeMs] = entry{s.bits, id}
	}
}

func (b *book) line(key string) *line {
	l := b.series[key]
	if l == nil {
		labels := labelsOf(key)
		l = &line{target: labels["target"], name: labels["__name__"], label: labels["i"] + labels["gen"], at: map[int64]entry{}}
		b.series[key] = l
	}
	return l
}

// newestOf is the newest time of a series of a target, in milliseconds; 0 before the first.
func (b *book) newestOf(target, name string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	newest := int64(0)
	for _, l := range b.series {
		if l.target == target && l.name == name {
			newest = max(newest, l.newest)
		}
	}
	return newest
}

// bodies is how many times campaign_body was stored for a target.
func (b *book) bodies(target string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, l := range b.series {
		if l.target == target && l.name == seriesBody {
			n += len(l.at)
		}
	}
	return n
}
