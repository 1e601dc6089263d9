// Package floor provides the least that any agent has to do for a scrape: read the body, patch a prebuilt
// request, compress it, write it to a file, post it. It understands nothing, and with a
// target other than those of this module sends nonsense.
package floor
