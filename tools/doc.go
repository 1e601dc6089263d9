// Package tools pins the servers and checkers that tests and the demo run; see go.mod.
package tools
