package profiler

import "time"

// Ten seconds in each minute leave the service's one CPU profiler free for people most of
// the time.
var _ = register(spec{
	name:        "cpu",
	series:      "process_cpu",
	path:        "profile",
	help:        "Where CPU time is spent, sampled 100 times a second on each core.",
	cost:        "One signal and one stack walk per 10 ms of CPU time while it lasts. Only one can run in a process.",
	period:      time.Minute,
	duration:    10 * time.Second,
	exclusive:   true,
	sampleTypes: []string{"samples/count", "cpu/nanoseconds"},
})
