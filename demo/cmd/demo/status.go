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

// status says in a short line what has arrived. What does not answer within the second is "?".
func status(ctx context.Context, s *stack.Stack) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	samples, series := "?", "?"
	if head, err := s.Prometheus.Head(ctx); err == nil {
		samples, series = thousands(head.Samples), thousands(head.Series)
	}
	sum := s.Pyroscope.Summary()
	var profiles []string
	for _, t := range profileTypes {
		profiles = append(profiles, fmt.Sprintf("%s %d", t.name, sum.Profiles("checkout", t.stored)))
	}
	queue := "?"
	if st, err := s.Sidecar.Status(ctx); err == nil {
		n := 0
		for _, e := range st.Endpoints {
			n += e.Queued
		}
		queue = fmt.Sprint(n)
	}
	line := fmt.Sprintf("%s samples, %s series | %s | queue %s", samples, series, strings.Join(profiles, " "), queue)
	if n := sum.Refused(); n > 0 {
		line += fmt.Sprintf(" | refused %d", n)
	}
	return line
}

// thousands renders a count with separators.
func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
