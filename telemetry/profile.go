package telemetry

import "time"

// Profile is one pprof profile of one target, ready to be shipped or kept. It is immutable.
type Profile struct {
	Target *Target
	// Type is the name of the profile type: cpu, memory, goroutine, mutex, block.
	Type string
	// Series is the name that the field's backends store the type under, Pyroscope's
	// __name__: process_cpu, memory, goroutine, mutex, block.
	Series string
	// Time is the end of what the profile covers; Duration is how long that was, zero for
	// a snapshot.
	Time     time.Time
	Duration time.Duration
	// Data is a gzipped pprof protobuf. By pprof's convention the time in it is when a
	// recording began, and for a snapshot when it was taken.
	Data []byte
	// Size is the length of Data before compression, which is what receivers limit.
	Size int
}
