// Package usage provides what a process has used: CPU time with the resolution of the scheduler, and
// memory from /proc. Linux only.
package usage
