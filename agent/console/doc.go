// Package console provides the two doors of the sidecar: one with everything on it, for
// people and for the command line, on loopback or behind authentication; and one with
// metrics and health alone, for Prometheus and the kubelet.
//
// # What was scraped, for a Prometheus that pulls
//
// /targets/metrics serves the last scrape of every target as Prometheus text. Its series
// carry their final labels and the time of their scrape, so the job that pulls them wants
//
//	honor_labels: true
//	honor_timestamps: true
//	track_timestamps_staleness: true
//
// without which instance and job are those of the sidecar, values get the time of the pull,
// and a series that went away lingers for five minutes. A Prometheus that pulls them and also
// gets them by remote write has every series twice, or refuses half of the samples as
// duplicates: do one of both. Native histograms and exemplars do not fit in this format and
// are left out.
//
// # Health behind authentication
//
// With basic authentication the first door asks everybody for a password, the kubelet too.
// Its probes belong on the second door then.
package console
