// Package agents provides the programs that are measured, each with the configuration that it gets.
package agents
