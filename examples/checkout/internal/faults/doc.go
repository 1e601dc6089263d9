// Package faults provides ways to make a service misbehave on purpose. Each does its harm on
// the path of ordinary requests, so that it grows with the load like a real bug, and each is
// bounded, so that leaving one on does not take the machine down.
package faults
