// Package client provides calls to a running sidecar, for the command line. Its errors are
// for people: they say what to do.
package client
