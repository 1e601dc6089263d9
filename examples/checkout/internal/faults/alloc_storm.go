package faults

import (
	"context"
	"strconv"
	"sync/atomic"
)

// allocStorm makes short-lived garbage on each request.
type allocStorm struct {
	level atomic.Int64 // KiB per request
	lines atomic.Int64 // keeps the results, so that the work is not optimised away
}

func (*allocStorm) spec() Spec {
	return Spec{
		Name:    "alloc-storm",
		Summary: "each request allocates memory that it drops at once",
		Unit:    "KiB per request", Default: 2048, Max: 16384,
	}
}

func (f *allocStorm) request(context.Context) {
	if kib := f.level.Load(); kib > 0 {
		f.renderInvoices(int(kib))
	}
}

// renderInvoices allocates one KiB for each line, and keeps few of them at a time.
func (f *allocStorm) renderInvoices(lines int) {
	const perPage = 32
	var page [perPage][]byte
	for n := range lines {
		line := make([]byte, 0, 1<<10)
		page[n%perPage] = strconv.AppendInt(line, int64(n), 10)
	}
	f.lines.Add(int64(len(page[0])))
}

func (f *allocStorm) set(level int) { f.level.Store(int64(level)) }
