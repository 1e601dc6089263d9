package faults

import (
	"bytes"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/prometheus/client_golang/prometheus"
)

// pkg is how functions of this package are named in profiles.
const pkg = "outrider/examples/checkout/internal/faults."

func newTestSet(t *testing.T) *Set {
	t.Helper()
	s := NewSet(prometheus.NewRegistry())
	t.Cleanup(s.Close)
	return s
}

func switchOn(t *testing.T, s *Set, name string, level int) {
	t.Helper()
	if err := s.SwitchOn(name, level); err != nil {
		t.Fatal(err)
	}
}

func switchOff(t *testing.T, s *Set, name string) {
	t.Helper()
	if err := s.SwitchOff(name); err != nil {
		t.Fatal(err)
	}
}

// lookup captures a profile of this process as net/http/pprof would.
func lookup(t *testing.T, name string) *profile.Profile {
	t.Helper()
	var buf bytes.Buffer
	if err := pprof.Lookup(name).WriteTo(&buf, 0); err != nil {
		t.Fatal(err)
	}
	return parse(t, &buf)
}

func parse(t *testing.T, buf *bytes.Buffer) *profile.Profile {
	t.Helper()
	p, err := profile.Parse(buf)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// total sums a sample type over the stacks that go through function.
func total(t *testing.T, p *profile.Profile, sampleType, function string) (sum int64) {
	t.Helper()
	index, err := p.SampleIndexByName(sampleType)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Sample {
		if goesThrough(s, function) {
			sum += s.Value[index]
		}
	}
	return sum
}

func goesThrough(s *profile.Sample, function string) bool {
	for _, loc := range s.Location {
		for _, line := range loc.Line {
			if strings.HasSuffix(line.Function.Name, function) {
				return true
			}
		}
	}
	return false
}
