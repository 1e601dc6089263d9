// Package peers pins the agents that Outrider is measured against and that the tools
// module does not pin already. Its go.mod names nothing else, so that each is built with
// the versions of its own release.
package peers
