package spool

// heldRecord is a record in memory.
type heldRecord struct {
	frame
	payload []byte
}

// memory is a queue of records in memory. A payload that was given out stays what it is
// until its record is recycled.
type memory struct {
	records []heldRecord // records[head:] wait
	head    int
	bytes   int64
	free    []byte // to be used again
}

const keptBuffer = 8 << 20 // a larger one is not kept for the next record

func (m *memory) len() int { return len(m.records) - m.head }

// front returns the oldest record, or nil.
func (m *memory) front() *heldRecord {
	return m.at(0)
}

// at returns the record so many behind the oldest, or nil.
func (m *memory) at(n int) *heldRecord {
	if n >= m.len() {
		return nil
	}
	return &m.records[m.head+n]
}

// push appends a copy.
func (m *memory) push(f frame, parts [][]byte) {
	buf := m.free[:0]
	if m.free = nil; cap(buf) < int(f.length) {
		buf = make([]byte, 0, f.length)
	}
	for _, p := range parts {
		buf = append(buf, p...)
	}
	m.records = append(m.records, heldRecord{f, buf})
	m.bytes += f.size()
}

// pop takes the front away.
func (m *memory) pop() {
	m.bytes -= m.records[m.head].size()
	m.records[m.head] = heldRecord{}
	m.head++
	if m.head == len(m.records) || m.head > 64 && m.head > len(m.records)/2 {
		n := copy(m.records, m.records[m.head:])
		clear(m.records[n:])
		m.records, m.head = m.records[:n], 0
	}
}

// recycle takes the front away, of which nobody reads the payload any more.
func (m *memory) recycle() {
	if buf := m.front().payload; cap(buf) > cap(m.free) && cap(buf) <= keptBuffer {
		m.free = buf
	}
	m.pop()
}
