package profiler

import "time"

var _ = register(spec{
	name:        "mutex",
	series:      "mutex",
	path:        "mutex",
	help:        "Who held a lock that others waited for, and how long they waited. Empty unless the service calls runtime.SetMutexProfileFraction.",
	cost:        "No pause; work grows with the number of distinct contended stacks.",
	period:      time.Minute,
	sampleTypes: []string{"contentions/count", "delay/nanoseconds"},
	cumulative:  []string{"contentions", "delay"},
})
