package load

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Summary is what became of the requests.
type Summary struct {
	Requests int // answered or failed; not those that are under way
	// Errors are requests without an answer, and answers of 500 and above.
	Errors int
	// Dropped requests were not sent, because too many were under way.
	Dropped int
	Codes   map[int]int // answers by status
	// P50, P99 and Max are of the time from when a request was due until it was answered,
	// within two percent.
	P50, P99, Max time.Duration
	Elapsed       time.Duration
	// LastError is one of the errors, empty when there was none.
	LastError string
}

// String is the summary on one line.
func (s Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests in %v (%.1f/s), %d errors, %d dropped, p50 %v, p99 %v, max %v",
		s.Requests, s.Elapsed.Round(100*time.Millisecond), float64(s.Requests)/max(s.Elapsed.Seconds(), 1e-9),
		s.Errors, s.Dropped, short(s.P50), short(s.P99), short(s.Max))
	for _, code := range slices.Sorted(maps.Keys(s.Codes)) {
		fmt.Fprintf(&b, ", %d: %d", code, s.Codes[code])
	}
	if s.LastError != "" {
		fmt.Fprintf(&b, "; last error: %s", s.LastError)
	}
	return b.String()
}

func short(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// The latencies are counted in buckets, each two percent wider than the one before, from a
// microsecond to about six minutes: a run may last for days.
const (
	growth      = 1.02
	bucketCount = 1000
)

type latencies struct {
	buckets [bucketCount]int
	count   int
	max     time.Duration
}

func (l *latencies) add(d time.Duration) {
	i := int(math.Log(max(1, float64(d.Microseconds()))) / math.Log(growth))
	l.buckets[min(i, bucketCount-1)]++
	l.count++
	l.max = max(l.max, d)
}

// quantile returns the upper edge of the bucket that the quantile falls in.
func (l *latencies) quantile(q float64) time.Duration {
	rank := int(math.Ceil(q * float64(l.count)))
	seen := 0
	for i, n := range l.buckets {
		seen += n
		if n > 0 && seen >= rank {
			return min(l.max, time.Duration(math.Pow(growth, float64(i+1))*float64(time.Microsecond)))
		}
	}
	return 0
}
