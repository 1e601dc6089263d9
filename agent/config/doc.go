// Package config provides the checked configuration: from a file, or from the environment
// alone. It composes the options of the stages; no stage imports it.
package config
