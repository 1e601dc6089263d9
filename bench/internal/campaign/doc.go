// Package campaign provides the measurement: which agent runs under which load, when, what is read off
// while it runs, and what arrived in the end.
package campaign
