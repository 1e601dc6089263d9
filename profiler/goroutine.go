package profiler

import "time"

var _ = register(spec{
	name:        "goroutine",
	series:      "goroutine",
	path:        "goroutine",
	help:        "All goroutines that exist at the moment, by stack.",
	cost:        "Two short pauses whatever the number of goroutines, then work per goroutine: about 50 ms for 10,000, up to a second for 100,000.",
	period:      time.Minute,
	sampleTypes: []string{"goroutine/count"},
})
