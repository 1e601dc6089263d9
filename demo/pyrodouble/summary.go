package pyrodouble

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Summary is what arrived since the server was made.
type Summary struct {
	// Pushes counts requests to the push API that were not cut off by an outage.
	Pushes int `json:"pushes"`
	// Outage counts requests, pushes and queries, that an outage cut off.
	Outage int `json:"outage"`
	// Stored counts profiles by service and name, sorted by both.
	Stored []Stored `json:"stored"`
	// Dropped counts profiles that were accepted but held no samples to store.
	Dropped int `json:"dropped"`
	// DroppedSamples counts samples of stored profiles that were left out, because one of
	// their values is negative.
	DroppedSamples int `json:"dropped_samples"`
	// Rejected counts refused profiles, or requests without any, by the reason that the real
	// server uses in pyroscope_discarded_samples_total.
	Rejected map[string]int `json:"rejected"`
	// LastError is what the last refused push was told.
	LastError string `json:"last_error,omitempty"`
}

// Stored counts the stored profiles of one service and name.
type Stored struct {
	Service   string    `json:"service"`
	Instances []string  `json:"instances"`
	Name      string    `json:"name"` // process_cpu, memory, ...
	Profiles  int       `json:"profiles"`
	Bytes     int       `json:"bytes"` // decompressed
	Last      time.Time `json:"last"`  // time of the newest profile
}

// Profiles returns how many profiles of the service and name were stored.
func (s Summary) Profiles(service, name string) int {
	for _, st := range s.Stored {
		if st.Service == service && st.Name == name {
			return st.Profiles
		}
	}
	return 0
}

// Refused returns how many profiles and requests were refused, for any reason.
func (s Summary) Refused() int {
	n := 0
	for _, v := range s.Rejected {
		n += v
	}
	return n
}

// Summary returns what arrived so far.
func (s *Server) Summary() Summary { return s.tally.summary() }

type storedKey struct{ service, name string }

type storedCount struct {
	Stored
	instances map[string]struct{}
}

// tally counts for Summary.
type tally struct {
	mu       sync.Mutex
	sum      Summary
	rejected map[string]int
	stored   map[storedKey]*storedCount
}

func newTally() tally {
	return tally{rejected: map[string]int{}, stored: map[storedKey]*storedCount{}}
}

func (t *tally) push() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Pushes++
}

func (t *tally) outage() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Outage++
}

func (t *tally) dropped() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Dropped++
}

func (t *tally) reject(r *rejection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rejected[r.reason]++
	t.sum.LastError = r.Error()
}

func (t *tally) store(lset labelSet, at time.Time, size, droppedSamples int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.DroppedSamples += droppedSamples
	key := storedKey{lset[labelService], lset[labelName]}
	c := t.stored[key]
	if c == nil {
		c = &storedCount{Stored: Stored{Service: key.service, Name: key.name}, instances: map[string]struct{}{}}
		t.stored[key] = c
	}
	c.Profiles++
	c.Bytes += size
	if at.After(c.Last) {
		c.Last = at
	}
	if i := lset["instance"]; i != "" {
		c.instances[i] = struct{}{}
	}
}

func (t *tally) summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.sum
	out.Rejected = maps.Clone(t.rejected)
	out.Stored = make([]Stored, 0, len(t.stored))
	for _, c := range t.stored {
		st := c.Stored
		st.Instances = slices.Sorted(maps.Keys(c.instances))
		out.Stored = append(out.Stored, st)
	}
	slices.SortFunc(out.Stored, func(a, b Stored) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name))
	})
	return out
}
