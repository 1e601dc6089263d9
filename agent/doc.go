// Package agent provides the sidecar as a whole: it builds the pipeline from a
// configuration and owns its start, reload, drain and stop. It is the only package that knows
// all stages; they meet here, through function values, and never import one another.
//
// Data flows one way:
//
//	discover -> scrape -> remotewrite -> Prometheus
//	        \-> profiler -> pyroscope -> Pyroscope
//
// and what was scraped last is also kept by the console, to be scraped by others.
package agent
