// Package pyrodouble provides a double of the Pyroscope server for the demo and for tests:
// the push API and those calls of the query API that list and fetch profiles, built from the
// server's own protocol definitions, and the older /ingest that its SDK takes.
//
// It accepts and refuses what a real server (version 2 storage, default limits) accepts and
// refuses, with the same codes and the same order of checks, so that what passes here passes
// there. Profiles are kept as files that `go tool pprof` reads; the index over them is in
// memory and begins empty.
package pyrodouble
