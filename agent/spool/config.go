package spool

import (
	"fmt"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
)

// Config is what people may say of a log.
type Config struct {
	// Most bytes on disk for each endpoint. More: the oldest requests are dropped and counted. Without a usable storage path all is in memory, 32MiB at most.
	MaxBytes units.Base2Bytes `yaml:"max_bytes,omitempty"`
	// How long a request may wait. Older: it is dropped and counted.
	MaxAge model.Duration `yaml:"max_age,omitempty"`
	// When what waits is made to survive a power cut: `always` (before a scrape is done), `never` (left to the kernel), or an interval. What is delivered within the interval costs the disk nothing. A kill or a crash of the sidecar loses nothing whatever is set here.
	Fsync Fsync `yaml:"fsync,omitempty"`
}

// Limits are the same for a log.
func (c Config) Limits() Limits {
	return Limits{MaxBytes: int64(c.MaxBytes), MaxAge: time.Duration(c.MaxAge), Sync: time.Duration(c.Fsync)}
}

// Fsync is Limits.Sync as text: always, never, or an interval.
type Fsync time.Duration

// UnmarshalText reads what String writes.
func (f *Fsync) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case "always":
		*f = Fsync(SyncAlways)
	case "never":
		*f = Fsync(SyncNever)
	default:
		d, err := model.ParseDuration(s)
		if err != nil || d <= 0 {
			return fmt.Errorf("want always, never, or an interval such as 1s, got %q", s)
		}
		*f = Fsync(d)
	}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (f Fsync) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

func (f Fsync) String() string {
	switch time.Duration(f) {
	case SyncAlways:
		return "always"
	case SyncNever:
		return "never"
	case SyncDefault:
		f = Fsync(defaultSync)
	}
	return model.Duration(f).String()
}
