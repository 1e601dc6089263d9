package sink

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"outrider/bench/internal/target"
)

// Check is what was found in the requests.
type Check struct {
	// Of the window that was asked for.
	Requests int   `json:"requests"`
	Bytes    int64 `json:"bytes"`   // of the bodies, as they were sent
	Samples  int   `json:"samples"` // of the services, without staleness markers
	// Of everything that ever came.
	Own       int               `json:"own"`       // samples that the agent adds, such as up
	Stale     int               `json:"stale"`     // staleness markers
	Extra     int               `json:"extra"`     // histograms and exemplars, which no target has
	Repeats   int               `json:"repeats"`   // series and timestamp came before
	Scrapes   map[string][]Kept `json:"scrapes"`   // by port of the target
	Bad       int               `json:"bad"`       // requests that could not be read
	FirstBad  string            `json:"firstBad"`  // why
	Protocols map[string]int    `json:"protocols"` // requests by protocol
}

// Kept is one scrape as it arrived.
type Kept struct {
	Serial  int   `json:"serial"` // value of the marker, 0 if that is missing
	Millis  int64 `json:"ms"`     // timestamp
	Samples int   `json:"samples"`
}

// own says whether agents make a series themselves, and not the target.
func own(name []byte) bool {
	return string(name) == "up" || strings.HasPrefix(string(name), "scrape_")
}

// checker goes through requests one by one.
type checker struct {
	check   Check
	unpack  unpacker
	seen    []uint64 // of series and timestamp
	scrapes map[string]map[int64]*Kept
}

func newChecker() *checker {
	return &checker{
		check:   Check{Protocols: map[string]int{}, Scrapes: map[string][]Kept{}},
		scrapes: map[string]map[int64]*Kept{},
	}
}

// add counts one request. The counts of the window include it if it is within.
func (c *checker) add(r request, within bool) {
	c.check.Protocols[r.protocol.String()]++
	msg, err := c.unpack.unpack(r.protocol, r.body)
	if err == nil {
		var extra int
		extra, err = walk(msg, r.protocol == V2, func(p *point) { c.point(p, within) })
		c.check.Extra += extra
	}
	if err != nil {
		if c.check.Bad == 0 {
			c.check.FirstBad = err.Error()
		}
		c.check.Bad++
	}
	if within {
		c.check.Requests++
		c.check.Bytes += int64(len(r.body))
	}
}

func (c *checker) point(p *point, within bool) {
	// Two series with one hash would look like a repeat; of ten million the chance is one
	// in three hundred thousand.
	c.seen = append(c.seen, p.series^(uint64(p.millis)*0x9e3779b97f4a7c15))
	switch {
	case p.stale():
		c.check.Stale++
		return
	case own(p.name):
		c.check.Own++
		return
	case within:
		c.check.Samples++
	}
	at := c.scrapes[string(p.instance)]
	if at == nil {
		at = map[int64]*Kept{}
		c.scrapes[string(p.instance)] = at
	}
	k := at[p.millis]
	if k == nil {
		k = &Kept{Millis: p.millis}
		at[p.millis] = k
	}
	k.Samples++
	if string(p.name) == target.Marker {
		k.Serial = int(p.value())
	}
}

// finish returns the result. The checker is of no use afterwards.
func (c *checker) finish() Check {
	c.unpack.close()
	slices.Sort(c.seen)
	for i := 1; i < len(c.seen); i++ {
		if c.seen[i] == c.seen[i-1] {
			c.check.Repeats++
		}
	}
	for instance, at := range c.scrapes {
		_, port, err := net.SplitHostPort(instance)
		if err != nil {
			port = instance // shows up as a target that nobody has
		}
		for _, k := range at {
			c.check.Scrapes[port] = append(c.check.Scrapes[port], *k)
		}
	}
	for _, kept := range c.check.Scrapes {
		slices.SortFunc(kept, func(a, b Kept) int { return int(a.Millis - b.Millis) })
	}
	return c.check
}

// Missing says what of a target did not arrive.
type Missing struct {
	Skipped int // scrapes that the agent did not make in time
	Lost    int // bodies that were served whole and did not arrive whole
	Wrong   int // scrapes that arrived with samples that nobody served
}

// Compare holds what a target served within a window against what arrived of it: each body
// once and with all of its series.
func Compare(served []target.Body, kept []Kept, series int, interval time.Duration, from, to time.Time) Missing {
	var m Missing
	samples := map[int]int{} // by serial
	for _, k := range kept {
		if k.Serial == 0 {
			m.Wrong++
		}
		samples[k.Serial] += k.Samples
	}
	before := from.Add(-interval / 2).UnixMilli() // unless something was served before
	// skipped counts the scrapes that were left out before millis: half an interval late is
	// late, one and a half is one left out.
	skipped := func(millis int64) {
		passed := time.Duration(millis-before) * time.Millisecond
		m.Skipped += max(int((passed+interval/2)/interval)-1, 0)
		before = millis
	}
	for _, b := range served {
		if b.Millis >= to.UnixMilli() {
			break
		}
		if b.Millis >= from.UnixMilli() {
			skipped(b.Millis)
			if b.Whole && samples[b.Serial] < series {
				m.Lost++
			}
			if samples[b.Serial] > series {
				m.Wrong++
			}
		}
		before = b.Millis
	}
	skipped(to.UnixMilli())
	return m
}

func (m Missing) String() string {
	return fmt.Sprintf("%d skipped, %d lost, %d wrong", m.Skipped, m.Lost, m.Wrong)
}
