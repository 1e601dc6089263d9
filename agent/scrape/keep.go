package scrape

import "outrider/telemetry"

// keepLayout makes what was recorded of the accepted body the layout, and lets go of the
// memory of the one before.
func (st *state) keepLayout() {
	d := &st.draft
	former := st.layout
	if !d.repeated {
		st.quiet = 0
	}
	switch {
	case d.repeated && st.outline != nil:
		st.layout.seen = st.iter
		st.quiet++
		return
	case d.repeated:
		st.layout.seen = st.iter
		st.layout.units, st.scanner.units = st.scanner.units, st.layout.units
		st.spares, st.layout.body = st.layout.body, d.content
		st.scanner.index.of = nil
		st.keeps = true
		st.rest()
		return
	case d.recorded && !d.strange:
		st.next.body, st.keeps = d.content, true
		made := st.next
		st.layout = &made
		st.next = layout{}
	default:
		if d.replayed {
			st.mention(st.next.families)
		}
		st.layout = nil
	}
	if former != nil {
		former.mention()
		st.spares = former.body
		former.body = nil
		st.next = *former
	}
}

func (st *state) dropLayout() {
	if st.layout != nil {
		st.layout.mention()
	}
	st.layout = nil
}

// spare returns memory that the next body can be read into, given that of the body that was
// parsed last.
func (st *state) spare(last []byte) []byte {
	if !st.keeps {
		return last
	}
	b := st.spares
	st.spares, st.keeps = nil, false
	return b
}

// mention notes that the scrape has spoken of families.
func (st *state) mention(fs []*family) {
	for _, f := range fs {
		if f.iter != st.iter {
			f.iter = st.iter
			if f.nth == 0 {
				st.draft.families++
			}
		}
	}
}

// sweep forgets the lines, series and families that the draft did not have.
func (st *state) sweep() {
	d := &st.draft
	if st.outline != nil {
		return
	}
	if st.layout != nil {
		if d.repeated {
			d.series = len(st.plain)
			if len(st.lines) == 0 && len(st.families) == st.layout.known && len(st.series) == len(st.plain)+len(st.report) {
				return
			}
		}
		// What the layout repeats was not met by the parser.
		st.mention(st.layout.families)
		st.layout.known = d.families
	}
	if len(st.lines) > d.lines {
		for key, l := range st.lines {
			if l.iter != st.iter {
				delete(st.lines, key)
			}
		}
	}
	if len(st.series) > d.series+len(st.report) {
		st.series.sweep(st.keepsSeries)
	}
	if len(st.families) > d.families {
		st.families.sweep(st.iter)
	}
}

// keepsSeries says whether a series is to be remembered beyond the draft.
func (st *state) keepsSeries(s *series) bool {
	return s.report || s.inPlain || s.iter == st.iter || s.ownTime && st.iter-s.iter <= keepSeries
}

// recodeSlack is by how many strings more than twice as many the labels may grow before they
// are numbered anew without those of series that are gone, and every four series allow one
// more: all blocks and pages of a target are made anew then.
const recodeSlack = 1000

// mayRecode says whether the labels have grown by so much.
func (st *state) mayRecode() bool {
	return st.syms.Len() > 2*st.recoded+recodeSlack+len(st.plain)/4
}

// recode numbers the labels anew. All blocks are made anew then, too.
func (st *state) recode() {
	again, table := telemetry.NewRecoder(st.syms), make(seriesTable, len(st.series))
	for _, s := range st.series {
		s.labels = again.Recode(s.labels)
		table.add(s)
	}
	syms := again.Symbols()
	st.syms, st.series, st.recoded = syms, table, syms.Len()
	st.reportSet = telemetry.JoinBlocks([]*telemetry.Block{st.newBlock(st.report)})
	st.set = nil
	st.set = st.newSet(st.plain)
}
