// Package backoff provides the waits between tries: exponential, with jitter, bounded, and as
// long as Retry-After asks.
package backoff
