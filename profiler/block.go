package profiler

import "time"

var _ = register(spec{
	name:        "block",
	series:      "block",
	path:        "block",
	help:        "Where goroutines waited for channels, locks and conditions, and how long. Empty unless the service calls runtime.SetBlockProfileRate.",
	cost:        "No pause; work grows with the number of distinct blocking stacks. What the rate itself costs the service is the service's choice.",
	period:      time.Minute,
	sampleTypes: []string{"contentions/count", "delay/nanoseconds"},
	cumulative:  []string{"contentions", "delay"},
})
