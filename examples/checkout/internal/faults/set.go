package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Spec describes a fault.
type Spec struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	// Unit is what a level counts.
	Unit string `json:"unit"`
	// Default is the level of a fault that is switched on without one, Max the highest.
	Default int `json:"default"`
	Max     int `json:"max"`
}

// Status is a fault and what it is doing.
type Status struct {
	Spec
	On    bool `json:"on"`
	Level int  `json:"level"`
	// Held is how much a leak holds by now, Cap at how much it stops; zero for faults that
	// leak nothing. Goroutines or bytes.
	Held int64 `json:"held,omitempty"`
	Cap  int64 `json:"cap,omitempty"`
}

// fault is one way to misbehave. Its methods are safe for concurrent use, except that the set
// calls set one at a time.
type fault interface {
	spec() Spec
	// set changes the level. At zero the fault is off, and set returns once it has given back
	// all it held.
	set(level int)
}

// Faults that act on every request implement requestFault, those that hold things leaking.
type (
	requestFault interface{ request(context.Context) }
	leaking      interface{ held() (now, most int64) }
)

// UnknownError is returned for a name that no fault has.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("unknown fault %q: it must be one of %s", e.Name, strings.Join(e.Known, ", "))
}

// LevelError is returned for a level that a fault does not have.
type LevelError struct {
	Spec  Spec
	Level int
}

func (e *LevelError) Error() string {
	return fmt.Sprintf("level %d of %s: it must be 0 (off) to %d %s", e.Level, e.Spec.Name, e.Spec.Max, e.Spec.Unit)
}

// Set holds the faults of one service. All are off at first.
type Set struct {
	faults    []fault
	onRequest []requestFault
	slow      *slowDependency
	metric    *prometheus.GaugeVec

	mu     sync.Mutex // serialises switching
	levels map[string]int
}

// NewSet makes the set and registers the metric that says which faults are on.
func NewSet(reg prometheus.Registerer) *Set {
	slow := &slowDependency{}
	s := &Set{
		faults: []fault{
			&allocStorm{},
			newCPUBurn(),
			&goroutineLeak{},
			&heapLeak{},
			&lockConvoy{},
			slow,
		},
		slow: slow,
		metric: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "fault_level",
			Help: "Level of a fault that was switched on on purpose, zero while it is off.",
		}, []string{"fault"}),
		levels: map[string]int{},
	}
	for _, f := range s.faults {
		if r, ok := f.(requestFault); ok {
			s.onRequest = append(s.onRequest, r)
		}
		s.metric.WithLabelValues(f.spec().Name).Set(0)
	}
	return s
}

// Request does the harm of the faults that are on. A service calls it once for each request
// that it serves; while all are off it costs a few atomic loads.
func (s *Set) Request(ctx context.Context) {
	for _, f := range s.onRequest {
		f.request(ctx)
	}
}

// Stall delays a query of a dependency while slow-dependency is on. It returns early when ctx
// is done.
func (s *Set) Stall(ctx context.Context) { s.slow.waitForReplica(ctx) }

// SwitchOn sets the level of a fault, or its default for level zero. It returns an UnknownError
// or a LevelError.
func (s *Set) SwitchOn(name string, level int) error {
	f, err := s.find(name)
	if err != nil {
		return err
	}
	spec := f.spec()
	if level < 0 || level > spec.Max {
		return &LevelError{Spec: spec, Level: level}
	}
	if level == 0 {
		level = spec.Default
	}
	s.set(f, level)
	return nil
}

// SwitchOff ends a fault and returns once it has cleaned up. It returns an UnknownError.
func (s *Set) SwitchOff(name string) error {
	f, err := s.find(name)
	if err != nil {
		return err
	}
	s.set(f, 0)
	return nil
}

// Close switches all faults off.
func (s *Set) Close() {
	for _, f := range s.faults {
		s.set(f, 0)
	}
}

// List returns the state of all faults in the order of their names.
func (s *Set) List() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Status, 0, len(s.faults))
	for _, f := range s.faults {
		list = append(list, s.status(f))
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (s *Set) status(f fault) Status {
	st := Status{Spec: f.spec()}
	st.Level = s.levels[st.Name]
	st.On = st.Level > 0
	if l, ok := f.(leaking); ok {
		st.Held, st.Cap = l.held()
	}
	return st
}

func (s *Set) set(f fault, level int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := f.spec().Name
	if level == s.levels[name] {
		return
	}
	f.set(level)
	s.levels[name] = level
	s.metric.WithLabelValues(name).Set(float64(level))
}

func (s *Set) find(name string) (fault, error) {
	var known []string
	for _, f := range s.faults {
		n := f.spec().Name
		if n == name {
			return f, nil
		}
		known = append(known, n)
	}
	slices.Sort(known)
	return nil, &UnknownError{Name: name, Known: known}
}
