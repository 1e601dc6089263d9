// Package load provides a steady, reproducible stream of requests to the checkout service. It
// is open-loop: a request is sent when its time has come, whether earlier ones were answered
// or not, as the customers of a shop do.
package load
