// Package profiler provides captures of pprof profiles: one file per profile type, one
// arbiter per target, deltas of cumulative types.
package profiler
