// Package faults provides the crash and fault campaign: cases that hurt the sidecar or its
// backend while it works, and the books that show what that cost. Its targets write down every
// body that they served whole, its receiver every sample that it stored, and each case compares
// the two. What it says of the sidecar it has from outside: processes, files, HTTP.
package faults
