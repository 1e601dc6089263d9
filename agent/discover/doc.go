// Package discover provides the set of targets beside us: static and file discovery,
// relabelling, and the identity labels that make a pod's series its own.
package discover
