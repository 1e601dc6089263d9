package remotewrite

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"outrider/agent/spool"
)

// hashKey is the number of a target in records on disk, and so must not change.
func hashKey(key string) uint64 { return xxhash.Sum64String(key) }

// dropReasons are what a log's reasons are called in our own books.
var dropReasons = [spool.Reasons]string{
	spool.Size:      "queue_full",
	spool.Age:       "max_age",
	spool.DiskFull:  "disk_full",
	spool.DiskError: "disk_error",
	spool.Damaged:   "corrupt",
}

// account takes over what the logs have dropped by themselves, keeps them within the bound
// that they share, and says how full they are.
func (ep *endpoint) account() {
	ep.books.Lock()
	defer ep.books.Unlock()
	lanes := *ep.lanes.Load()
	ep.bound(lanes)
	for _, la := range lanes {
		for _, l := range la.queue.logs {
			ep.takeOver(l)
		}
	}
	ep.metrics.queue(ep.fill())
}

// takeOver counts what has changed in a log since the last time.
func (ep *endpoint) takeOver(l *ledger) {
	s := l.Stats()
	m := ep.metrics
	for why := range s.Dropped {
		if n := s.Dropped[why].Weight - l.seen.Dropped[why].Weight; n > 0 {
			m.dropped(dropReasons[why], int(n))
		}
	}
	now, before := s.Dropped[spool.Damaged], l.seen.Dropped[spool.Damaged]
	if now != before {
		m.all.damagedRecords.WithLabelValues(ep.name).Add(float64(now.Records - before.Records))
		m.all.damagedBytes.WithLabelValues(ep.name).Add(float64(now.Bytes - before.Bytes))
	}
	if n := s.TornBytes - l.seen.TornBytes; n > 0 {
		m.all.tornBytes.WithLabelValues(ep.name).Add(float64(n))
	}
	if n := s.SyncFails - l.seen.SyncFails; n > 0 {
		m.all.syncFailures.WithLabelValues(ep.name).Add(float64(n))
	}
	if n := s.SetAside - l.seen.SetAside; n > 0 {
		m.all.setAside.WithLabelValues(ep.name).Add(float64(n))
	}
	l.seen = s
}

// bound drops the oldest of what several logs hold together, where that is more than one
// alone may. One by itself keeps to the bound.
func (ep *endpoint) bound(lanes []*lane) {
	if len(lanes) == 1 && lanes[0].queue.behind == nil {
		return
	}
	for {
		var (
			used   int64
			oldest *ledger
			since  spool.Stats
		)
		for _, la := range lanes {
			for _, l := range la.queue.logs {
				s := l.Stats()
				used += s.Used
				if !s.Oldest.IsZero() && (oldest == nil || s.Oldest.Before(since.Oldest)) {
					oldest, since = l, s
				}
			}
		}
		over := used - ep.capacity.Load()
		if over <= 0 || oldest == nil {
			return
		}
		oldest.Free(over, spool.Size)
		if oldest.Stats().Used >= since.Used {
			return // only what is being delivered is left
		}
	}
}

// openLanes opens what the settings ask for, and what was left by others before. It changes
// nothing that is in use.
func (ep *endpoint) openLanes(cfg *Config) error {
	lanes, err := ep.logs.lanes(lanesWanted(cfg))
	if err != nil {
		return err
	}
	_, err = ep.logs.leftovers(lanes)
	return err
}

// relane goes over to the lanes of the settings, which openLanes has opened, and moves there
// what waits in others. No sender may run.
func (ep *endpoint) relane(cfg *Config) error {
	want, have := lanesWanted(cfg), *ep.lanes.Load()
	ep.moving.Lock()
	defer ep.moving.Unlock()
	ep.logs.setLimits()
	if len(have) == want.shards && (have[0].queue.behind != nil) == want.freshFirst {
		return nil
	}
	lanes, err := ep.logs.lanes(want)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	for i, la := range have {
		if len(have) == len(lanes) && lanes[i].queue.inherit(la.queue) {
			continue
		}
		la.queue.takeApart(func(r record) { _ = laneFor(lanes, r.target).queue.Append(r) })
	}
	old, err := ep.logs.leftovers(lanes)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	if len(have) == 0 {
		recovered := int64(0)
		for _, l := range ep.logs.open {
			recovered += l.Stats().Waiting.Weight
		}
		ep.metrics.recovered.Add(float64(recovered))
		if recovered > 0 {
			ep.logger.Info("found samples in the spool that wait to be sent", "samples", recovered)
		}
	}
	ep.books.Lock()
	for _, l := range old {
		all, err := adopt(l, lanes)
		if err != nil || !all {
			ep.logger.Error("what waits in a former lane stays there until the next start", "dir", l.Dir(), "err", err)
			continue
		}
		ep.takeOver(ep.ledgerOf(l))
		ep.logs.drop(l)
	}
	// A log that is used again keeps what was taken over of it.
	for _, la := range lanes {
		for _, l := range la.queue.logs {
			l.seen = ep.ledgerOf(l.Log).seen
		}
	}
	ep.books.Unlock()
	ep.lanes.Store(&lanes)
	return nil
}

// ledgerOf returns what was taken over of a log so far.
func (ep *endpoint) ledgerOf(log *spool.Log) *ledger {
	for _, la := range *ep.lanes.Load() {
		for _, l := range la.queue.logs {
			if l.Log == log {
				return l
			}
		}
	}
	return &ledger{Log: log}
}
