// Package profiler provides captures of pprof profiles: one file per profile type, one
// arbiter per target, deltas of cumulative types.
//
// A capture passes through four hands. A task says when (task.go); fetch asks the service,
// in its turn, and checks the answer; decode checks the content; prepare decides what is
// sent of it, by comparing it with the capture before. The last two are pure functions.
package profiler
