package target

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// ChangePart is the part of the values that differ from one body to the next.
const ChangePart = 0.3

// Marker is the name of the series whose value is the number of the body, from 1. It tells
// what arrived at the sink which scrape it was.
const Marker = "bench_body"

// line is one series: the bytes before its value, and the value, also as text.
type line struct {
	before []byte // HELP and TYPE of a family that begins here
	head   []byte
	value  []byte
	f      float64
}

// Bodies renders the successive expositions of one target. Not for use by several
// goroutines at once.
type Bodies struct {
	rng    *rand.Rand
	churn  float64
	serial int
	lines  []line

	histograms []histogram
	order      []int // of the histograms, shuffled as they are picked
	singles    []int // the other lines but the marker, shuffled likewise
	labelled   []int // those of them that can be replaced by a new series, shuffled likewise
	heads      map[int]func(client string) []byte
	clients    int

	// What is owed to the rates: parts of a line that earlier bodies did not use up.
	oweHistograms, oweSingles, oweChurn float64
	size                                int
}

// histogram is a run of lines: a bucket for each bound, the sum and the count.
type histogram struct {
	first  int
	scale  float64
	counts []int64 // cumulative
	sum    float64
}

// NewBodies returns the bodies of a target with so many series. Equal arguments give equal
// bodies. churn is the part of the series that are new in each body.
func NewBodies(series int, churn float64, seed uint64) *Bodies {
	b := &Bodies{
		rng:   rand.New(rand.NewPCG(seed, 0x6f757472)),
		churn: churn,
		heads: map[int]func(string) []byte{},
	}
	b.layout(series)
	return b
}

// Next renders the next body. It returns its number, and the body appended to buf.
func (b *Bodies) Next(buf []byte) (int, []byte) {
	b.serial++
	b.set(0, float64(b.serial))
	if b.serial > 1 {
		b.observe()
		b.move()
		b.replace()
	}
	if cap(buf) < b.size {
		buf = make([]byte, 0, b.size+b.size/16)
	}
	start := len(buf)
	for i := range b.lines {
		l := &b.lines[i]
		buf = append(buf, l.before...)
		buf = append(buf, l.head...)
		buf = append(buf, l.value...)
		buf = append(buf, '\n')
	}
	b.size = len(buf) - start
	return b.serial, buf
}

// set gives a line a value, written as client_golang writes it.
func (b *Bodies) set(i int, f float64) {
	b.lines[i].f = f
	b.lines[i].value = strconv.AppendFloat(b.lines[i].value[:0], f, 'g', -1, 64)
}

// observe adds observations to histograms until enough of their lines have changed: the
// buckets from the one that was hit, the sum and the count.
func (b *Bodies) observe() {
	width := len(bounds) + 2
	b.oweHistograms += ChangePart * float64(len(b.histograms)*width)
	for n := 0; b.oweHistograms > 0 && n < len(b.histograms); n++ {
		h := &b.histograms[b.pick(b.order, n)]
		hit := b.rng.IntN(len(bounds))
		times := 1 + b.rng.Int64N(3)
		h.add(hit, times, b.rng.Float64())
		for i := hit; i < len(bounds); i++ {
			b.set(h.first+i, float64(h.counts[i]))
		}
		b.set(h.first+len(bounds), h.sum)
		b.set(h.first+len(bounds)+1, float64(h.counts[len(bounds)-1]))
		b.oweHistograms -= float64(len(bounds) - hit + 2)
	}
}

func (h *histogram) add(hit int, times int64, within float64) {
	for i := hit; i < len(h.counts); i++ {
		h.counts[i] += times
	}
	value := h.scale * (boundAt(hit) + within*h.scale/1000)
	h.sum += float64(times) * value
}

// move changes the values of counters and gauges. The marker has changed already.
func (b *Bodies) move() {
	b.oweSingles += ChangePart*float64(len(b.singles)+1) - 1
	for n := 0; b.oweSingles >= 1 && n < len(b.singles); n++ {
		i := b.pick(b.singles, n)
		b.set(i, b.lines[i].f+b.step(i))
		b.oweSingles--
	}
}

// step is never 0. Every fourth line holds values with a fraction, as seconds and ratios do.
func (b *Bodies) step(i int) float64 {
	if i%4 == 0 {
		return float64(1+b.rng.IntN(1<<20)) / 4096
	}
	return float64(1 + b.rng.IntN(40))
}

// replace puts new series in the places of old ones: another client came and the old one
// is gone.
func (b *Bodies) replace() {
	b.oweChurn += b.churn * float64(len(b.lines))
	for n := 0; b.oweChurn >= 1 && n < len(b.labelled); n++ {
		i := b.pick(b.labelled, n)
		b.lines[i].head = b.heads[i](b.client())
		b.set(i, b.step(i))
		b.oweChurn--
	}
}

// client names one that was not there before.
func (b *Bodies) client() string {
	b.clients++
	return fmt.Sprintf("client-%06d", b.clients)
}

// pick draws the n-th of a body from those that were not drawn yet.
func (b *Bodies) pick(from []int, n int) int {
	j := n + b.rng.IntN(len(from)-n)
	from[n], from[j] = from[j], from[n]
	return from[n]
}
