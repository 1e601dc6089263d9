// Package pyroscope provides the way of profiles to Pyroscope's push API, with every answer
// accounted for.
package pyroscope
