package scrape

// repeatAll makes the draft of a body of which every line is as in the layout, but for values
// that scan has written already.
func (st *state) repeatAll() tally {
	l, d := st.layout, &st.draft
	d.col = len(st.plain)
	d.taken = len(st.plain)
	d.repeated = true
	return tally{
		scraped:    len(l.cols),
		kept:       len(l.cols) - l.dropped,
		duplicates: l.duplicates,
		duplicate:  l.duplicate,
	}
}

// replay makes the draft of a body that scan has compared with the layout: what is the same
// is repeated, the parser reads the edits, and both become the next layout.
func (st *state) replay(timeMs int64) (tally, error) {
	l, sc := st.layout, &st.scanner
	if len(sc.edits) == 0 {
		return st.repeatAll(), nil
	}
	var t tally
	st.next.reset(l.contentType, l.format)
	rec := recording{to: &st.next, body: sc.body}
	sc.joint.begin(l, sc.body, sc.edits)
	u := 0
	for _, e := range sc.edits {
		st.repeat(&rec, u, e.unit, false, timeMs, &t)
		if err := st.readEdit(&rec, e, timeMs, &t); err != nil {
			return t, asFailure(sc.body, err)
		}
		u = e.unit + e.skip
	}
	if last := sc.edits[len(sc.edits)-1]; last.to < len(sc.body) || u < len(l.units) {
		st.repeat(&rec, u, len(l.units), true, timeMs, &t)
	} else {
		rec.mark(st.draft.spoke)
	}
	st.draft.recorded = rec.to != nil && rec.to.worthwhile()
	return t, st.checkSampleLimit(&t)
}

// repeat adds to the draft what the units [from, to) of the layout mean; with tail they are the
// last ones, and so is what follows them.
func (st *state) repeat(rec *recording, from, to int, tail bool, timeMs int64, t *tally) {
	l, d := st.layout, &st.draft
	t.scraped += to - from
	rec.repeat(l, st.scanner.units, from, to, tail)
	if rec.to == nil {
		st.mention(l.spokenOf(from, to, tail))
	}
	cols := l.cols[from:to]
	if d.same {
		first, n := columnsOf(cols)
		if n == 0 || first == d.col && !d.strange {
			d.col += n
			d.taken += n
			d.series += n
			t.kept += n
			if rec.to != nil {
				rec.to.cols = append(rec.to.cols, cols...)
				rec.to.dropped += len(cols) - n
			}
			return
		}
		st.diverge()
	}
	for _, col := range cols {
		if col >= 0 {
			col = st.repeatOne(rec, col, timeMs, t)
		}
		if rec.to == nil {
			continue
		}
		switch col {
		case colDropped:
			rec.to.dropped++
		case colDuplicate:
			rec.to.duplicates++
		}
		rec.to.cols = append(rec.to.cols, col)
	}
}

// columnsOf says which columns a run of units has: n from first on. None of the units is slow.
func columnsOf(cols []int32) (first, n int) {
	for len(cols) > 0 && cols[0] < 0 {
		cols = cols[1:]
	}
	for len(cols) > 0 && cols[len(cols)-1] < 0 {
		cols = cols[:len(cols)-1]
	}
	if len(cols) == 0 {
		return 0, 0
	}
	return int(cols[0]), int(cols[len(cols)-1]-cols[0]) + 1
}

// repeatOne moves one sample of the layout to a new column, and returns that.
func (st *state) repeatOne(rec *recording, col int32, timeMs int64, t *tally) int32 {
	d, s := &st.draft, st.plain[col]
	t.kept++
	if s.iter == st.iter { // a line that the parser has read is for the same series
		if t.duplicates++; t.duplicates == 1 {
			t.duplicate = st.syms.Decode(s.labels)
		}
		rec.duplicate(t.duplicate)
		return colDuplicate
	}
	if !st.endsIfRejected(s) {
		d.undo = append(d.undo, undo{series: s, lastMs: s.lastMs, exemplar: s.exemplar})
	}
	s.iter, s.tracked, s.lastMs = st.iter, st.iter, timeMs
	d.taken++
	d.series++
	d.next = append(d.next, s)
	d.values = append(d.values, st.values[col])
	return int32(len(d.next) - 1)
}
