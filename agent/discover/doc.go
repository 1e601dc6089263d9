// Package discover provides the set of targets beside us: static and file discovery,
// relabelling, and the identity labels that make a pod's series its own.
//
// Discovery, relabelling and the labels that start with two underscores are those of
// Prometheus 3, with three differences. A target on loopback gets an instance label made of
// the Identity instead of its address. namespace, pod and node are added where they are known
// and not set. And __scrape_interval__ and __scrape_timeout__ have no effect: both are settings
// of the job.
package discover
