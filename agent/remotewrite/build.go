package remotewrite

import "outrider/telemetry"

// build makes all pages anew.
func (sh *shape) build(w *worker) {
	sh.gone = append(sh.gone, sh.pages...)
	sh.groups, sh.pages, sh.index, sh.cut = nil, nil, index{}, false
	w.affected = nil
	perGroup := evenly(sh.set.Len(), sh.lim.samples)
	var g *group
	for _, b := range sh.set.Blocks() {
		for from := 0; from < b.Len(); {
			if g == nil || g.full(b.Len()-from, perGroup, sh.lim) {
				g = sh.newGroup()
			}
			room := sh.lim.samples - g.kept
			if b.Len() > perGroup/2 { // small requests are of equal size
				room = perGroup - g.kept
			}
			p := w.compile(sh, g, b, from, room)
			sh.cut = sh.cut || p.to-p.from < b.Len()
			if p.to == from {
				g = nil
				continue
			}
			g.pages = append(g.pages, p)
			g.size += p.wire.Len()
			g.kept += p.wire.Values()
			from = p.to
		}
	}
	sh.complete(w)
}

func (sh *shape) newGroup() *group {
	g := new(group)
	sh.groups = append(sh.groups, g)
	g.clearSymbols(sh)
	return g
}

func (g *group) clearSymbols(sh *shape) {
	g.table, g.tableSize, g.left = nil, 0, 0
	if sh.message == v2 {
		g.syms = newSymbols(nil)
		g.syms.borrow = len(sh.rl.rules) == 0
	}
}

// full says whether so many series of one block should go in another group.
func (g *group) full(series, perGroup int, lim limits) bool {
	return g.kept >= perGroup || g.size+g.pending() > lim.bytes/8*7 || // a block more takes the rest
		series <= perGroup/2 && g.kept+series > lim.samples
}

// complete does what is left once pages were replaced.
func (sh *shape) complete(w *worker) {
	w.settle(sh)
	for _, g := range sh.groups {
		w.extendTable(g)
	}
	sh.tally()
}

// update makes pages of the blocks that are new to the set, and keeps those of the others. It
// says whether that is all that has to be done.
func (sh *shape) update(w *worker) bool {
	if sh.cut || len(sh.groups) == 0 {
		return false
	}
	at := make(map[*telemetry.Block]int, len(sh.pages))
	for i, p := range sh.pages {
		at[p.block] = i
	}
	last := -1
	for _, b := range sh.set.Blocks() {
		if i, ok := at[b]; ok {
			if i <= last {
				return false // they stay, but not in their order
			}
			last = i
		}
	}

	former := sh.pages
	sh.pages = nil
	w.affected = nil
	u := updater{w: w, sh: sh, group: sh.groups[0]}
	var fresh []*telemetry.Block
	next := 0 // of former
	for _, b := range sh.set.Blocks() {
		i, ok := at[b]
		if !ok {
			if b.Len() > 0 {
				fresh = append(fresh, b)
			}
			continue
		}
		u.replace(former[next:i], fresh)
		fresh, next = fresh[:0], i+1
		u.keep(former[i])
	}
	u.replace(former[next:], fresh)

	groups := sh.groups[:0]
	for _, g := range sh.groups {
		g.pages, g.next = g.next, nil
		if len(g.pages) > 0 {
			groups = append(groups, g)
		}
	}
	clear(sh.groups[len(groups):])
	sh.groups = groups
	sh.complete(w)
	if !sh.balanced() {
		return false
	}
	for _, g := range sh.groups {
		w.sweep(sh, g)
	}
	return true
}

// balanced says whether the groups are within the limits, and no more than they have to be.
func (sh *shape) balanced() bool {
	n := 0
	for _, g := range sh.groups {
		if g.kept > sh.lim.samples || g.size > sh.lim.bytes {
			return false
		}
		n += g.kept
	}
	n += n / 4 // so that a set about as large as a limit is not divided anew each time
	return len(sh.groups) <= 1+n/sh.lim.samples || sh.bytes() > sh.lim.bytes/4*len(sh.groups)
}

func (sh *shape) bytes() (n int) {
	for _, g := range sh.groups {
		n += g.size
	}
	return n
}

// sweep makes the table of a group anew when more than half of it is no longer used. It looks
// only once half of the series have left.
func (w *worker) sweep(sh *shape, g *group) {
	if g.syms == nil || g.left < max(telemetry.BlockLen, g.kept/2) {
		return
	}
	g.left = 0
	if 2*w.usedSymbols(g) >= int(g.syms.next) {
		return
	}
	g.clearSymbols(sh)
	for _, p := range g.pages {
		w.remake(sh, p)
	}
	sh.complete(w)
}
