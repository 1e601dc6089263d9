package profiler

import "time"

// evidence is what is known of the process behind a capture.
type evidence struct {
	taken time.Time
	start time.Time // of the process; zero when it is not known
	build string    // of its main program; empty when it is not known
	// unsent is set on a capture whose cumulative values were not sent because it could not
	// be told whether its life began after that time. If it turns out that it did, the
	// next capture makes up for it.
	unsent time.Time
}

// verdict is what is sent of a capture with cumulative sample types.
type verdict string

const (
	// sendWhole: everything the process ever did happened while we watched.
	sendWhole verdict = "whole"
	// sendDelta: what happened since the previous capture.
	sendDelta verdict = "delta"
	// sendSnapshot: the capture is a baseline. Only what is not cumulative is sent.
	sendSnapshot verdict = "snapshot"
)

// judge decides from the evidence alone; prev is nil for the first capture since watched,
// when the target was first seen.
func judge(prev *evidence, cur evidence, watched time.Time) verdict {
	switch {
	case prev == nil && cur.startedAfter(watched):
		return sendWhole
	case prev == nil:
		return sendSnapshot
	case cur.startedAfter(prev.taken):
		return sendWhole
	case prev.build != "" && cur.build != "" && prev.build != cur.build:
		return sendWhole
	case !prev.unsent.IsZero() && cur.startedAfter(prev.unsent):
		return sendWhole
	}
	return sendDelta
}

// judgeBroken decides when the values contradict that prev and cur are of one life. A start
// time that is older than prev is then either out of date, or right and the service changed
// the rate of its profile: nothing cumulative is sent until that is clear.
func judgeBroken(cur evidence) verdict {
	if cur.start.IsZero() {
		return sendWhole // the process began after prev, so while we watched
	}
	return sendSnapshot
}

func (e evidence) startedAfter(t time.Time) bool {
	return !e.start.IsZero() && e.start.After(t)
}
