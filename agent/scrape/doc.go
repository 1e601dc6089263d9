// Package scrape provides the scrape loops: exposition in, columnar telemetry.Scrape out.
//
// A Manager keeps one loop for each target. A loop fetches (fetch.go) within a deadline and a
// size, parses (parse.go) what it got, and hands the result to the sink. All it remembers of
// its target between scrapes is in one state (state.go): which line of the exposition means
// which series, what was delivered last, and so what is stale now.
//
// Every scrape is delivered, the failed one too: it then holds the report series (up,
// scrape_*) and the markers that end all others. The last Scrape of a target, when it goes or
// at shutdown, has no series, only the markers that end everything.
package scrape
