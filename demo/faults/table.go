package faults

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Table renders the numbers of a campaign.
func Table(rows []Row, took time.Duration) string {
	var b strings.Builder
	width, last, skipped := 0, "", 0
	for _, r := range rows {
		width = max(width, min(utf8.RuneCountInString(r.What), 60))
	}
	for _, r := range rows {
		if r.Case != last {
			fmt.Fprintf(&b, "%s\n", r.Case)
			last = r.Case
		}
		verdict := ""
		switch {
		case r.Skipped:
			verdict = "  SKIPPED"
			skipped++
		case !r.OK:
			verdict = "  MISS, want " + r.Want
		case r.Want != "":
			verdict = "  ok, want " + r.Want
		}
		fmt.Fprintf(&b, "  %-*s  %s%s\n", width, r.What, r.Got, verdict)
	}
	fmt.Fprintf(&b, "%d numbers after %s, %d missed", len(rows), took.Round(time.Second), len(Missed(rows)))
	if skipped > 0 {
		fmt.Fprintf(&b, ", %d skipped", skipped)
	}
	b.WriteString(".\n")
	return b.String()
}
