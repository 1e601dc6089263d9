package scrape

import "time"

// followAfter is how far the wall clock has to be set back for the former time to count as
// plain wrong, so that waiting for it to come again would be pointless.
const followAfter = time.Hour

// step says what the wall clock did since the last delivery.
type step int

const (
	stepForward step = iota // as it should
	stepBack                // set back: what is scraped now cannot be delivered
	stepFollow              // set back so far that the new time is followed at once
)

// clock gives the timestamps of one target, which grow whatever the wall clock does.
type clock struct {
	lastMs int64 // of the last delivery; 0 before the first
}

// stamp returns the timestamp of a scrape that begins at wall, and by how much the clock was
// set back, if it was. By less than an interval is made good in passing.
func (c *clock) stamp(wall time.Time, interval time.Duration) (ms int64, back time.Duration, s step) {
	ms = wall.UnixMilli()
	if ms > c.lastMs {
		return ms, 0, stepForward
	}
	back = time.Duration(c.lastMs-ms) * time.Millisecond
	switch {
	case back < interval:
		return c.lastMs + 1, 0, stepForward
	case back > followAfter:
		return ms, back, stepFollow
	}
	return ms, back, stepBack
}

// end returns the timestamp of the markers that end a target.
func (c *clock) end(wall time.Time) int64 { return max(wall.UnixMilli(), c.lastMs+1) }

// untilTick returns how long it is to the next tick: at a point of the interval that place
// decides, so that sidecars spread over it and keep their place over restarts.
func untilTick(wall time.Time, interval time.Duration, place uint64) time.Duration {
	at := int64(place % uint64(interval))
	wait := (at - wall.UnixNano()%int64(interval)) % int64(interval)
	if wait < 0 {
		wait += int64(interval)
	}
	return time.Duration(wait)
}
