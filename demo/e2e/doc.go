// Package e2e provides the end-to-end tests: the real sidecar beside a real service, in front
// of a real Prometheus and a double of Pyroscope, each a process of its own.
package e2e
