// Package stack provides the processes of the demo and of the end-to-end tests: it builds the
// programs, starts them on loopback, waits until they answer, and ends them.
package stack
