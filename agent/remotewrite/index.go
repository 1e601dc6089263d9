package remotewrite

// index counts how many series of a shape have a hash: mostly one. Where they are it does not
// say, so that a series that goes over from one page to another costs it nothing. The zero
// value is empty.
type index struct {
	slots []uint32 // open addressing with linear probing, a power of two long; 0 is free
	n     int
	more  map[uint32]int // hashes that several series have: how many beyond the first
}

// slot returns where h is, or the free slot where it would be.
func (x *index) slot(h uint32) (i uint32, ok bool) {
	mask := uint32(len(x.slots) - 1)
	for i = h & mask; x.slots[i] != h; i = (i + 1) & mask {
		if x.slots[i] == 0 {
			return i, false
		}
	}
	return i, true
}

func (x *index) has(h uint32) bool {
	if x.n == 0 {
		return false
	}
	_, ok := x.slot(h)
	return ok
}

// add takes note of a series, and says whether another has its hash already.
func (x *index) add(h uint32) (another bool) {
	if 4*(x.n+1) > 3*len(x.slots) {
		x.grow()
	}
	i, ok := x.slot(h)
	if ok {
		if x.more == nil {
			x.more = make(map[uint32]int)
		}
		x.more[h]++
		return true
	}
	x.slots[i] = h
	x.n++
	return false
}

// remove takes a series out that was added, and says whether another has its hash.
func (x *index) remove(h uint32) (another bool) {
	if n := x.more[h]; n > 0 {
		if n == 1 {
			delete(x.more, h)
		} else {
			x.more[h] = n - 1
		}
		return true
	}
	i, ok := x.slot(h)
	if !ok {
		panic("BUG: the series was not in the index")
	}
	x.n--
	// What was pushed on by a series moves up, so that no search ends at the gap.
	mask := uint32(len(x.slots) - 1)
	for j := (i + 1) & mask; x.slots[j] != 0; j = (j + 1) & mask {
		if home := x.slots[j] & mask; (j-home)&mask >= (j-i)&mask {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = 0
	return false
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]uint32, max(64, 2*len(old)))
	for _, h := range old {
		if h != 0 {
			i, _ := x.slot(h)
			x.slots[i] = h
		}
	}
}
