package profiler

import "time"

// allocs and heap are the same records; they differ in what a viewer shows first.
var _ = register(spec{
	name:        "memory",
	series:      "memory",
	path:        "allocs",
	help:        "What was allocated, and what is still in use, by the stack that allocated it, as of the last garbage collection.",
	cost:        "No pause; work and size grow with the number of distinct allocating stacks (a few milliseconds for most services).",
	period:      time.Minute,
	sampleTypes: []string{"alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes"},
	cumulative:  []string{"alloc_objects", "alloc_space"},
})
