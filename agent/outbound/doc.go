// Package outbound provides what the ways to all backends share: an HTTP client that cannot
// mistake a login page for a delivery, the names of endpoints, and why no answer came.
package outbound
