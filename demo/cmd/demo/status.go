package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"outrider/demo/internal/stack"
)

// profileTypes are the profiles that the sidecar takes and their names in Pyroscope.
var profileTypes = []struct{ name, stored string }{
	{"cpu", "process_cpu"},
	{"memory", "memory"},
	{"goroutine", "goroutine"},
	{"mutex", "mutex"},
	{"block", "block"},
}

// status says in one line what has arrived. What does not answer within the second is "?".
func status(ctx context.Context, s *stack.Stack, up time.Duration, left string) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	samples, series := "?", "?"
	if head, err := s.Prometheus.Head(ctx); err == nil {
		samples, series = thousands(head.Samples), thousands(head.Series)
	}
	queue := "?"
	if st, err := s.Sidecar.Status(ctx); err == nil {
		n := 0
		for _, e := range st.Endpoints {
			n += e.Queued
		}
		queue = fmt.Sprint(n)
	}
	sum := s.Pyroscope.Summary()
	var profiles []string
	for _, t := range profileTypes {
		profiles = append(profiles, fmt.Sprintf("%s %d", t.name, sum.Profiles("checkout", t.stored)))
	}
	return fmt.Sprintf("%s: %s samples of %s series; profiles: %s; queued: %s; refused: %d; %s",
		round(up), samples, series, strings.Join(profiles, ", "), queue, sum.Refused(), left)
}

// thousands renders a count with separators.
func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
