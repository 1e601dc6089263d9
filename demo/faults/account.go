package faults

import (
	"fmt"
	"time"
)

// margin is how long before the end of a life of the sidecar a body must have been served to
// be owed: it has to be read and written down.
const margin = 100 * time.Millisecond

// end is when a life of the sidecar ended.
type end struct {
	at time.Time
	// lived is when the sidecar was last asked anything that it answered.
	lived time.Time
}

// owes says whether a life should have written down a body, and if not, whether the only
// reason is that it was not given the time.
func (e end) owes(s Served) (owed, starved bool) {
	if !s.Ended.Before(e.at.Add(-margin)) {
		return false, false
	}
	starved = !s.Ended.Before(e.lived.Add(-margin / 2))
	return !starved, starved
}

// ledger is what the targets served, beside what of it was stored.
type ledger struct {
	served   int // whole, by all targets
	owed     int // of these, long enough before the end of the life that asked
	arrived  int // of those owed, stored whole
	starved  int // would be owed, had the sidecar been given any time before its end; not stored
	failed   int // would be owed, had the sidecar not reported the scrape as failed: it waited too long for the body
	bonus    int // not owed, and stored all the same
	lost     violations
	torn     violations // stored in part
	twice    violations // stored under two times
	unknown  violations // stored and never begun
	lostList []lost     // sorted by target, then number
}

// lost is one body that was owed and did not arrive.
type lost struct {
	target string
	Served
	end time.Time // of the life that asked
}

// account compares the log of each target with a book. ends says when each life of the
// sidecar was ended; nothing is owed of one that it does not name.
func account(targets []*Target, b *book, ends map[int]end) *ledger {
	l := &ledger{}
	for _, t := range targets {
		l.add(t.name, t.shape, t.Log(), t.nextBody(), b, ends)
	}
	return l
}

// add adds one target, whose next body has the number next.
func (l *ledger) add(target string, shape shape, log []Served, next int, b *book, ends map[int]end) {
	b.mu.Lock()
	defer b.mu.Unlock()
	type id struct{ name, label string }
	lines := map[id]*line{}
	at := map[int64]int{} // samples of bodies by time
	for _, ln := range b.series {
		if ln.target != target || ln.name != seriesBody && ln.name != seriesValue && ln.name != seriesChurn {
			continue
		}
		lines[id{ln.name, ln.label}] = ln
		for ms := range ln.at {
			at[ms]++
		}
	}
	whole := map[int]int64{} // numbers of bodies stored whole, with their time
	if head := lines[id{seriesBody, ""}]; head != nil {
		for ms, e := range head.at {
			delete(at, ms)
			n, ok := bodyNumber(e.bits)
			if !ok { // a staleness marker, after a scrape that failed
				continue
			}
			missing := 0
			shape.each(n, func(name, _, label string, v float64) {
				if shape.refuses(name, label) {
					return
				}
				ln := lines[id{name, label}]
				if ln == nil || !ln.has(ms, v) {
					missing++
				}
			})
			if missing > 0 {
				l.torn.add("body %d of %s at %d lacks %d of %d series", n, target, ms, missing, shape.series())
				continue
			}
			if other, ok := whole[n]; ok {
				l.twice.add("body %d of %s at %d and at %d", n, target, other, ms)
			}
			whole[n] = ms
		}
	}
	for ms, n := range at {
		if !onlyMarkers(b, target, ms) {
			l.torn.add("%s at %d has %d samples and no %s", target, ms, n, seriesBody)
		}
	}
	reported := failedScrapes(b, target)
	for _, s := range log {
		l.served++
		_, stored := whole[s.N]
		end := ends[s.Life]
		switch owed, starved := end.owes(s); {
		case owed && stored:
			l.owed++
			l.arrived++
		case owed && reported.take(s.Began):
			l.failed++
		case owed:
			l.owed++
			l.lost.add("body %d of %s, served %s before the end of life %d", s.N, target, end.at.Sub(s.Ended).Round(time.Millisecond), s.Life)
			l.lostList = append(l.lostList, lost{target, s, end.at})
		case stored:
			l.bonus++
		case starved:
			l.starved++
		}
	}
	for n := range whole {
		// One that is not in the log may have been whole for the sidecar all the same, if that
		// was killed at once; but it must have been begun.
		if n < 1 || n >= next {
			l.unknown.add("body %d of %s", n, target)
		}
	}
}

// onlyMarkers says whether all samples of a target at a time are staleness markers.
func onlyMarkers(b *book, target string, ms int64) bool {
	for _, ln := range b.series {
		if e, ok := ln.at[ms]; ok && ln.target == target && (ln.name == seriesValue || ln.name == seriesChurn) && !isStale(e.bits) {
			return false
		}
	}
	return true
}

// event is a moment after which a request may come again: a kill of the sidecar or of the
// receiver, or an answer that never came.
type event struct {
	at       time.Time
	requests int // that it excuses
	what     string
}

// slack is how long before a request arrived its event may have been: what a killed process
// had sent lies in the buffers of the kernel until the receiver comes to read it.
const slack = 500 * time.Millisecond

// unexcused returns the repeats for which there is no event between the two requests. Each
// event excuses as many as it says. The repeats are taken by when they came again and given
// the earliest event that fits, which leaves as few over as possible.
func unexcused(repeats []repeat, events []event) []repeat {
	repeats, events = sortedRepeats(repeats), sortedEvents(events)
	left := make([]int, len(events))
	for i, e := range events {
		left[i] = e.requests
	}
	var over []repeat
next:
	for _, r := range repeats {
		for i, e := range events {
			if e.at.After(r.again) {
				break
			}
			if left[i] > 0 && !e.at.Before(r.first.Add(-slack)) {
				left[i]--
				continue next
			}
		}
		over = append(over, r)
	}
	return over
}

// excused is how many repeats the events allow at most.
func excused(events []event) int {
	n := 0
	for _, e := range events {
		n += e.requests
	}
	return n
}

// countEvents renders how many events there were of each kind.
func countEvents(events []event) string {
	n := map[string]int{}
	for _, e := range events {
		n[e.what]++
	}
	return fmt.Sprintf("%d kills of the sidecar, %d of the receiver, %d time-outs", n[eventSidecar], n[eventReceiver], n[eventTimeout])
}

// The kinds of events.
const (
	eventSidecar  = "kill of the sidecar"
	eventReceiver = "kill of the receiver"
	eventTimeout  = "time-out"
)
