package config

import (
	"slices"
	"strings"
)

// suggest returns the candidates that name is most likely a misspelling of: the nearest,
// all of them if several are equally near, none if all are far.
func suggest(name string, candidates []string) []string {
	var best []string
	least := min(3, max(1, len(name)/3))
	for _, c := range candidates {
		d := distance(strings.ToLower(name), strings.ToLower(c))
		if d < least {
			best, least = nil, d
		}
		if d == least {
			best = append(best, c)
		}
	}
	slices.Sort(best)
	return best
}

// orElse ends the message about an unknown name: with the nearest candidates, or with all.
func orElse(name string, candidates []string) string {
	if near := suggest(name, candidates); len(near) > 0 {
		return `did you mean "` + strings.Join(near, `" or "`) + `"?`
	}
	return "known are: " + strings.Join(slices.Sorted(slices.Values(candidates)), ", ")
}

// distance counts the insertions, deletions, substitutions and swaps of neighbours that
// turn a into b (optimal string alignment).
func distance(a, b string) int {
	var before, last []int // the rows above, of which a swap needs two
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
