package profiler

import (
	"time"

	"github.com/google/pprof/profile"

	"outrider/telemetry"
)

// captured is one checked capture of one type of one target.
type captured struct {
	*decoded
	begin, end time.Time // by our clock
}

// past is what is kept of a capture for the sake of the next one. Data is small beside the
// parsed profile, which is why it is parsed again.
type past struct {
	evidence
	data []byte // gzipped
}

// Reasons for which nothing of a good capture is sent on, as counted.
const (
	withheldEmpty    = "empty"
	withheldBaseline = "baseline"
)

// shipment is what becomes of a capture.
type shipment struct {
	// profile is nil when nothing is to be sent, and withheld then says why.
	profile  *telemetry.Profile
	withheld string
	verdict  verdict
	// next is what the next capture is compared with; nil for a type that has nothing
	// cumulative.
	next *past
}

// prepare decides what is sent of a capture and makes it. It has no effects: whoever sends
// the profile keeps next if, and only if, it was taken.
func prepare(s *spec, target *telemetry.Target, prev *past, cur *captured, start, watched time.Time) *shipment {
	p := cur.profile
	changed := p.TimeNanos == 0
	if changed {
		// A profile over a time bears the time of its beginning.
		p.TimeNanos = cur.end.UnixNano()
		if s.duration > 0 {
			p.TimeNanos = cur.begin.UnixNano()
		}
	}
	out := &telemetry.Profile{Target: target, Type: s.name, Series: s.series, Time: cur.end, Data: cur.data, Size: cur.size}
	if s.duration > 0 {
		out.Duration = time.Duration(p.DurationNanos)
		if out.Duration <= 0 {
			out.Duration = cur.end.Sub(cur.begin)
		}
	}
	ship := &shipment{profile: out, verdict: sendWhole}
	if len(s.cumulative) > 0 {
		if q := ship.compare(s, prev, cur, start, watched); q != p {
			p, changed = q, true
		}
	}
	switch {
	case p == nil:
		ship.profile, ship.withheld = nil, withheldBaseline
	case empty(p):
		ship.profile, ship.withheld = nil, withheldEmpty
	case changed:
		out.Data, out.Size = encode(p)
	}
	return ship
}

// compare sets what a cumulative type keeps and returns the profile to be sent, which is
// that of cur when it is sent whole, and nil when the type has nothing for a snapshot.
func (ship *shipment) compare(s *spec, prev *past, cur *captured, start, watched time.Time) *profile.Profile {
	now := evidence{taken: cur.end, start: start, build: mainBuild(cur.profile)}
	before, since := (*evidence)(nil), watched
	if prev != nil {
		before, since = &prev.evidence, prev.taken
	}
	ship.verdict = judge(before, now, watched)

	var difference *profile.Profile
	if ship.verdict == sendDelta {
		var err error
		if difference, err = deltaSince(prev, cur.profile, s.cumulative); err != nil {
			ship.verdict = judgeBroken(now)
		}
	}

	result := cur.profile
	switch ship.verdict {
	case sendDelta:
		result = difference
		ship.profile.Duration = cur.end.Sub(prev.taken)
		result.DurationNanos = int64(ship.profile.Duration)
	case sendSnapshot:
		result = snapshot(cur.profile, s.cumulative)
		now.unsent = since
	case sendWhole:
		if !start.IsZero() {
			since = start
		}
		ship.profile.Duration = cur.end.Sub(since)
	}
	ship.next = &past{evidence: now, data: cur.data}
	return result
}

func deltaSince(prev *past, cur *profile.Profile, cumulative []string) (*profile.Profile, error) {
	raw, err := gunzip(prev.data, maxRaw)
	if err != nil {
		return nil, err
	}
	p, err := parse(raw)
	if err != nil {
		return nil, err
	}
	return delta(p, cur, cumulative)
}

// mainBuild returns the build ID of the program itself, which comes first among the
// mappings.
func mainBuild(p *profile.Profile) string {
	if len(p.Mapping) == 0 {
		return ""
	}
	return p.Mapping[0].BuildID
}

// empty says whether a profile says nothing.
func empty(p *profile.Profile) bool {
	for _, s := range p.Sample {
		for _, v := range s.Value {
			if v != 0 {
				return false
			}
		}
	}
	return true
}
