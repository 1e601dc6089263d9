package remotewrite

import (
	"context"
	"strconv"
	"time"
)

// A long backlog at a receiver that takes none of it would cost a request for each record, and
// what is fresh would wait for all of them. So the age that is refused is looked for by
// halving, with requests of one sample. Their series is made up: had it been one of the backlog,
// its older samples would then be out of order. Each accepted one makes the next take another
// series, as what is asked next is older.

const (
	probeName     = "outrider_remote_write_age_probe"
	probeRecords  = 20 // with fewer waiting it is quicker to try them
	probeInterval = time.Minute
	probeExact    = time.Second // how well the age is to be known
)

// learnAge remembers that the samples of a record, all of one time, are too old for the
// receiver, and where much waits finds out what else is. The only error is ctx's.
func (s *sender) learnAge(ctx context.Context, r record) error {
	now := time.Now()
	s.refused.remember(r.maxMs, now)
	if now.Sub(time.UnixMilli(r.maxMs)) < minAge || now.Sub(s.searched) < probeInterval || s.queue.Stats().records < probeRecords {
		return nil
	}
	s.searched = now
	all, err := decode(r)
	if err != nil || len(all) == 0 {
		return nil // the caller gives it up anyway
	}
	oldest, newest := r.maxMs, now.UnixMilli() // refused, and taken for accepted
	for accepted := 0; newest-oldest > probeExact.Milliseconds(); {
		mid := oldest + (newest-oldest)/2
		probe := encodeSeries([]series{probeOf(&all[0], accepted, mid)}, s.currentMessage(), now)
		a, err := s.deliver(ctx, probe)
		if err != nil {
			return err
		}
		switch a.verdict {
		case tooOld:
			oldest = mid
		case delivered:
			newest = mid
			accepted++
		default: // it says nothing of the age: the records will tell, one by one
			return nil
		}
		s.refused.remember(oldest, time.Now())
	}
	s.logger.Warn("receiver takes nothing older, giving up what waits for longer", "age", time.Since(time.UnixMilli(oldest)).Round(time.Second))
	return nil
}

// probeOf makes the sample that is sent to learn of an age, for the same target as a series.
func probeOf(of *series, n int, timeMs int64) series {
	p := series{labels: []label{{"__name__", probeName}}, floats: []float{{value: 1, timeMs: timeMs}}}
	for _, l := range of.labels {
		if l.name == "instance" || l.name == "job" {
			p.labels = append(p.labels, l)
		}
	}
	p.labels = append(p.labels, label{"probe", strconv.Itoa(n)})
	return p
}
