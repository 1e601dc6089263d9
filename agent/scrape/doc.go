// Package scrape provides the scrape loops: exposition in, columnar telemetry.Scrape out.
package scrape
