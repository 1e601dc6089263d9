// Package report provides the tables of a campaign: medians, ratios to vmagent and goals, for the
// terminal and as Markdown.
package report
