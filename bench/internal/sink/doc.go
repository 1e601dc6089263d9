// Package sink provides a remote-write receiver that is cheap while an agent is measured: it keeps the
// requests as they came, and counts, checks and compares what is in them afterwards.
package sink
