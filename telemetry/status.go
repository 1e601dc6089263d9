package telemetry

import "time"

// Health is what is known of a target: not yet asked, answering, or not.
type Health string

// The values of Health.
const (
	HealthUnknown Health = "unknown"
	HealthUp      Health = "up"
	HealthDown    Health = "down"
)

// TargetStatus is what the scraper last saw of one target.
type TargetStatus struct {
	Target     *Target
	Health     Health
	LastScrape time.Time // zero before the first
	Duration   time.Duration
	Interval   time.Duration
	Samples    int    // after relabelling
	LastError  string // empty when the last scrape succeeded
	// KeptOut is how many samples of the last scrape series_limit had no room for; Explosion
	// then says where they come from.
	KeptOut   int
	Explosion *Explosion
}

// ProfileStatus is what the profiler last saw of one profile type of one target.
type ProfileStatus struct {
	Target      *Target
	Type        string
	Period      time.Duration
	LastCapture time.Time // zero before the first
	Duration    time.Duration
	Bytes       int
	LastError   string
}

// EndpointStatus is the state of one backend that something is shipped to.
type EndpointStatus struct {
	Kind        string // remote_write or pyroscope_write
	Name        string
	URL         string // without credentials
	Protocol    string // the message a remote-write endpoint is sent at present
	Queued      int    // requests or profiles waiting
	QueuedBytes int64
	Capacity    int64     // bytes that may wait; 0 when it is not said
	Oldest      time.Time // of the oldest one waiting; zero when none waits
	DiskFailing bool      // the disk does not take what waits, which is held in memory
	// Dropped are samples that were given up since the start, by the reason.
	Dropped     map[string]int64
	LastSuccess time.Time
	LastError   string // empty once something was delivered again
	// Misconfigured says that the endpoint refuses us in a way that waiting does not mend
	// (401, 404, ...); LastError says how.
	Misconfigured bool
}
