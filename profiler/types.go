package profiler

import (
	"slices"
	"strings"
	"time"
)

// TypeInfo describes a profile type to users.
type TypeInfo struct {
	Name string
	// Help is one sentence that says what the profile shows.
	Help string
	// Cost says what a capture costs the service.
	Cost string
	// Path is where the profile is served, below the base of the pprof handlers.
	Path string
	// Series is the name under which Pyroscope's own agents store profiles of the type.
	Series string
	// Period and Duration are defaults. Duration is zero for a snapshot.
	Period, Duration time.Duration
}

// Types returns all profile types, sorted by name.
func Types() []TypeInfo {
	infos := make([]TypeInfo, len(types))
	for i, s := range types {
		infos[i] = TypeInfo{
			Name: s.name, Help: s.help, Cost: s.cost, Path: s.path, Series: s.series,
			Period: s.period, Duration: s.duration,
		}
	}
	slices.SortFunc(infos, func(a, b TypeInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

// spec is all that the profiler knows of one profile type. Each has a file of its own.
type spec struct {
	name   string
	series string
	path   string
	help   string
	cost   string
	// period is chosen by cost; a capture that records over a time has a duration.
	period, duration time.Duration
	// exclusive says that the service can take only one at a time.
	exclusive bool
	// sampleTypes must all be present ("type/unit"), else it is another kind of profile.
	sampleTypes []string
	// cumulative are those that grow for as long as the process lives; they are sent as
	// the difference of two captures.
	cumulative []string
}

// types is filled by register while the package is initialised and never changes after.
var types []*spec

// register adds a profile type. It returns the spec so that a file needs no init function:
//
//	var _ = register(spec{...})
func register(s spec) *spec {
	types = append(types, &s)
	return &s
}

func lookup(name string) *spec {
	for _, s := range types {
		if s.name == name {
			return s
		}
	}
	return nil
}

func typeNames() []string {
	names := make([]string, 0, len(types))
	for _, info := range Types() {
		names = append(names, info.Name)
	}
	return names
}
