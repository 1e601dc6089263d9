package pyrodouble

import (
	"log/slog"
	"time"
)

// Options configure a Server.
type Options struct {
	// Dir is where profiles are kept: SERVICE/NAME/TIME-NUMBER.pb.gz. It is made if missing.
	Dir string
	// Logger is told of what is refused, at debug level. Nil means no logging.
	Logger *slog.Logger
	// Limits are the server's; the zero value means DefaultLimits.
	Limits Limits
	// MultiTenancy wants X-Scope-OrgID on each request, as -auth.multitenancy-enabled does.
	MultiTenancy bool
	// PushDelay is how long each push that stores something waits before it is answered.
	// A real server waits for the flush of its segment, about half a second.
	PushDelay time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Limits are what a server refuses. Sizes are in bytes.
type Limits struct {
	MaxBodySize      int           // of a request, decompressed
	MaxProfileSize   int           // of one profile, decompressed
	Rate             float64       // bytes of decompressed profiles and labels in a second
	Burst            int           // the same at one moment: no profile larger than this ever passes
	MaxSamples       int           // of one profile
	MaxSampleLabels  int           // of one sample
	MaxLabels        int           // of one series
	MaxLabelName     int           // length
	MaxLabelValue    int           // length
	RejectOlderThan  time.Duration // before now
	RejectNewerThan  time.Duration // after now
	MaxQueryDuration time.Duration // between start and end of a query
}

// DefaultLimits are the defaults of a real server.
func DefaultLimits() Limits {
	return Limits{
		MaxBodySize:      256 << 20,
		MaxProfileSize:   4 << 20,
		Rate:             4 << 20,
		Burst:            2 << 20,
		MaxSamples:       16000,
		MaxSampleLabels:  100,
		MaxLabels:        30,
		MaxLabelName:     1024,
		MaxLabelValue:    2048,
		RejectOlderThan:  time.Hour,
		RejectNewerThan:  10 * time.Minute,
		MaxQueryDuration: 24 * time.Hour,
	}
}

// Outage is a way for the server to be out of service.
type Outage int32

// The outages that SetOutage switches on.
const (
	// None answers as usual.
	None Outage = iota
	// Unavailable answers every request with 503.
	Unavailable
	// Reset breaks the connection of every request before it is answered.
	Reset
)
