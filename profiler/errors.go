package profiler

import (
	"errors"
	"fmt"
	"strings"
)

// ErrBusy says that another profiler holds the one CPU profiler of the service.
var ErrBusy = errors.New("the service's CPU profiler is in use by another profiler, such as the pyroscope-go SDK in the service or somebody's go tool pprof")

// UnknownTargetError says that no target is called by a name, and which there are.
type UnknownTargetError struct {
	Name  string
	Known []string
}

func (e *UnknownTargetError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("unknown target %q: no targets are profiled", e.Name)
	}
	return fmt.Sprintf("unknown target %q: there are %s", e.Name, strings.Join(e.Known, ", "))
}

// AmbiguousTargetError says that a name means several targets, and which.
type AmbiguousTargetError struct {
	Name    string
	Matches []string
}

func (e *AmbiguousTargetError) Error() string {
	return fmt.Sprintf("target %q is ambiguous: it may be %s", e.Name, strings.Join(e.Matches, ", "))
}

// UnknownTypeError says that there is no profile type of a name, and which there are.
type UnknownTypeError struct {
	Name  string
	Known []string
}

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("unknown profile type %q: there are %s", e.Name, strings.Join(e.Known, ", "))
}

// SecondsError says that a capture cannot last as long as was asked.
type SecondsError struct {
	Type    string
	Seconds int
	// Max is the longest that is allowed; zero if the type is a snapshot.
	Max int
}

func (e *SecondsError) Error() string {
	if e.Max == 0 {
		return fmt.Sprintf("a %s profile is a snapshot: it takes no seconds", e.Type)
	}
	return fmt.Sprintf("a %s profile lasts 1 to %d seconds, not %d", e.Type, e.Max, e.Seconds)
}

// Reasons for which a capture fails, as counted.
const (
	reasonBusy        = "busy"
	reasonNetwork     = "network"
	reasonTimeout     = "timeout"
	reasonNotServed   = "not_served"
	reasonStatus      = "http_status"
	reasonContent     = "content_type"
	reasonTooLarge    = "too_large"
	reasonTruncated   = "truncated"
	reasonMalformed   = "malformed"
	reasonSampleTypes = "sample_types"
	reasonSink        = "sink"
)

// captureError is a failed capture with the reason it is counted under.
type captureError struct {
	reason string
	err    error
}

func (e *captureError) Error() string { return e.err.Error() }
func (e *captureError) Unwrap() error { return e.err }

func failf(reason, format string, args ...any) error {
	return &captureError{reason, fmt.Errorf(format, args...)}
}

func reasonOf(err error) string {
	var ce *captureError
	if errors.As(err, &ce) {
		return ce.reason
	}
	return reasonNetwork
}
