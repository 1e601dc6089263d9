package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"outrider/demo/internal/stack"
)

// row is one line of the table: what arrived, and what should have.
type row struct {
	what string
	got  string
	want string // empty: told, not checked
	ok   bool
}

// report prints the table and returns an error that names what is missing.
func (d *demo) report(ctx context.Context, s *stack.Stack, took time.Duration) error {
	d.screen.Status("Counting what arrived")
	var rows []row
	rows = append(rows, metricRows(ctx, s, took)...)
	rows = append(rows, profileRows(ctx, s)...)
	// The sidecar delivers what it holds when it ends; what is refused then counts as well.
	lost, lostErr := s.Sidecar.Lost(ctx)
	if err := s.StopSidecar(ctx); err != nil {
		rows = append(rows, row{"sidecar ended", err.Error(), "in order", false})
	}
	rejects, err := s.Prometheus.Rejects(ctx)
	rows = append(rows,
		countRow("rejected by Prometheus", rejects, err),
		countRow("rejected by Pyroscope", s.Pyroscope.Summary().Rejected, nil),
		countRow("lost by the sidecar", lost, lostErr),
	)

	d.screen.Printf("\nIn %s arrived:", round(took))
	var missing []string
	whatWidth, gotWidth := 0, 0
	for _, r := range rows {
		whatWidth, gotWidth = max(whatWidth, len(r.what)), max(gotWidth, min(len(r.got), 40))
	}
	for _, r := range rows {
		verdict := ""
		if r.want != "" {
			verdict = "ok, want " + r.want
			if !r.ok {
				verdict = "NOT OK, want " + r.want
				missing = append(missing, r.what)
			}
		}
		d.screen.Printf("  %-*s  %-*s  %s", whatWidth, r.what, gotWidth, r.got, verdict)
	}
	if len(missing) > 0 {
		return fmt.Errorf("not as expected: %s\nthe sidecar said last:\n%s", strings.Join(missing, "; "), s.Sidecar.Tail())
	}
	d.screen.Printf("All as expected.")
	return nil
}

// metricRows ask Prometheus.
func metricRows(ctx context.Context, s *stack.Stack, took time.Duration) []row {
	// One scrape may be under way at either end.
	scrapes := float64(int(took/scrapeInterval) - 2)
	ask := func(what, query, want string, ok func(float64) bool) row {
		v, err := s.Prometheus.Scalar(ctx, query)
		if err != nil {
			return row{what, err.Error(), want, false}
		}
		return row{what, thousands(v), want, ok(v)}
	}
	return []row{
		ask("series of checkout", `count({job="checkout"})`, "more than 100", func(v float64) bool { return v > 100 }),
		samplesRow(ctx, s),
		ask("scrapes of checkout", `sum(count_over_time(up{job="checkout"}[1h]))`, fmt.Sprintf("at least %.0f", scrapes), func(v float64) bool { return v >= scrapes }),
		ask("scrapes that failed", `sum(count_over_time(up{job="checkout"}[1h])) - sum(sum_over_time(up{job="checkout"}[1h]))`, "0", func(v float64) bool { return v == 0 }),
		ask(`go_goroutines{job="checkout"}`, `go_goroutines{job="checkout"}`, "above 0", func(v float64) bool { return v > 0 }),
		ask("series of the sidecar", `count({job="outrider"})`, "some", func(v float64) bool { return v > 0 }),
	}
}

// samplesRow counts what is stored, sample by sample.
func samplesRow(ctx context.Context, s *stack.Stack) row {
	r := row{what: "samples of checkout", want: "more than 100"}
	matrix, err := s.Prometheus.Samples(ctx, `{job="checkout"}[1h]`)
	if err != nil {
		r.got = err.Error()
		return r
	}
	n := 0
	for _, series := range matrix {
		n += len(series.Values) + len(series.Histograms)
	}
	r.got, r.ok = thousands(float64(n)), n > 100
	return r
}

// profileRows ask Pyroscope for each type: how many arrived, and what they add up to.
func profileRows(ctx context.Context, s *stack.Stack) []row {
	sums, err := s.Pyroscope.Totals(ctx, "checkout")
	var rows []row
	for _, t := range profileTypes {
		n := s.Pyroscope.Summary().Profiles("checkout", t.stored)
		got := fmt.Sprintf("%d, %s", n, amount(t.stored, sums))
		if err != nil {
			got = err.Error()
		}
		rows = append(rows, row{t.name + " profiles", got, "at least 1", n > 0 && err == nil})
	}
	return rows
}

// amount says what the profiles of one name add up to, in words.
func amount(name string, totals map[string]int64) string {
	seconds := func(profileType string) string {
		return time.Duration(totals[profileType]).Round(time.Millisecond).String()
	}
	switch name {
	case "process_cpu":
		return seconds("process_cpu:cpu:nanoseconds:cpu:nanoseconds") + " of CPU time"
	case "memory":
		return fmt.Sprintf("%.1f MB allocated", float64(totals["memory:alloc_space:bytes:space:bytes"])/1e6)
	case "goroutine":
		return thousands(float64(totals["goroutine:goroutine:count:goroutine:count"])) + " stacks"
	case "mutex":
		return seconds("mutex:delay:nanoseconds:contentions:count") + " of waiting for locks"
	case "block":
		return seconds("block:delay:nanoseconds:contentions:count") + " of being blocked"
	}
	panic("BUG: no such profile: " + name)
}

// countRow wants that there is nothing to count, and names what there is.
func countRow[N int | float64](what string, counts map[string]N, err error) row {
	if err != nil {
		return row{what, err.Error(), "0", false}
	}
	var total N
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if counts[reason] > 0 {
			total += counts[reason]
			parts = append(parts, fmt.Sprintf("%s: %v", reason, counts[reason]))
		}
	}
	got := fmt.Sprint(total)
	if len(parts) > 0 {
		got += " (" + strings.Join(parts, ", ") + ")"
	}
	return row{what, got, "0", total == 0}
}
