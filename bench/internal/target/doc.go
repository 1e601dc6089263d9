// Package target provides services to scrape: bodies as client_golang writes them, of which a
// known part changes from one to the next, and a log of the bodies that were served whole.
package target
