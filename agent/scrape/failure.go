package scrape

import (
	"errors"
	"fmt"
)

// reason says in one word why a scrape gave no samples. It is a label value.
type reason string

// The reasons of failures. Those that end in _limit are limits of the configuration.
const (
	reasonConnect     reason = "connect"      // nobody answers at the address
	reasonRequest     reason = "request"      // the request could not be made or was refused on the way: TLS, proxy, credentials, redirects
	reasonTimeout     reason = "timeout"      // not complete within scrape_timeout
	reasonStatus      reason = "http_status"  // not 200
	reasonTruncated   reason = "truncated"    // the body ended before its end
	reasonEncoding    reason = "encoding"     // Content-Encoding unknown or broken
	reasonContentType reason = "content_type" // not an exposition
	reasonParse       reason = "parse"        // not well-formed
	reasonSeries      reason = "series"       // well-formed, but a series no receiver would take
	reasonGather      reason = "gather"       // an in-process registry gave nothing

	reasonBodySize    reason = "body_size_limit"
	reasonSamples     reason = "sample_limit"
	reasonLabels      reason = "label_limit"
	reasonLabelName   reason = "label_name_length_limit"
	reasonLabelValue  reason = "label_value_length_limit"
	reasonUnspecified reason = "other"
)

// isLimit says whether the reason is a limit that somebody set.
func (r reason) isLimit() bool {
	switch r {
	case reasonBodySize, reasonSamples, reasonLabels, reasonLabelName, reasonLabelValue:
		return true
	}
	return false
}

// failure is an error with the reason to count it under.
type failure struct {
	reason reason
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(r reason, format string, args ...any) error {
	return &failure{reason: r, err: fmt.Errorf(format, args...)}
}

func reasonOf(err error) reason {
	var f *failure
	if errors.As(err, &f) {
		return f.reason
	}
	return reasonUnspecified
}

// excerpt bounds what an error quotes of a body, which may be one line of megabytes.
func excerpt(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
