package floor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"outrider/bench/internal/target"
)

// request is a remote-write message whose numbers can be overwritten.
type request struct {
	msg    []byte
	values []int // offsets of the eight bytes of each value
	times  []int // offsets of the timestamps, timeBytes each
	next   int   // the value that is patched next
}

// timeBytes is how long a varint of milliseconds is, from 1971 until 2109.
const timeBytes = 6

type label struct{ name, value string }

// newRequest builds the request for a body. instance is the host:port of the target.
func newRequest(body []byte, instance string, v2 bool) (*request, error) {
	r := &request{}
	var symbols symbolTable
	var series [][]byte
	var holes []hole
	for line := range bytes.Lines(body) {
		if line[0] == '#' {
			continue
		}
		labels, value, err := parseLine(string(bytes.TrimSuffix(line, []byte("\n"))))
		if err != nil {
			return nil, err
		}
		labels = append(labels, label{"instance", instance}, label{"job", "bench"})
		slices.SortFunc(labels, func(a, b label) int { return strings.Compare(a.name, b.name) })
		var one []byte
		if v2 {
			var refs []byte
			for _, l := range labels {
				refs = protowire.AppendVarint(refs, symbols.ref(l.name))
				refs = protowire.AppendVarint(refs, symbols.ref(l.value))
			}
			one = protowire.AppendBytes(protowire.AppendTag(one, 1, protowire.BytesType), refs)
		} else {
			for _, l := range labels {
				pair := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), l.name)
				pair = protowire.AppendString(protowire.AppendTag(pair, 2, protowire.BytesType), l.value)
				one = protowire.AppendBytes(protowire.AppendTag(one, 1, protowire.BytesType), pair)
			}
		}
		sample := protowire.AppendTag(nil, 1, protowire.Fixed64Type)
		at := hole{value: len(sample)}
		sample = protowire.AppendFixed64(sample, math.Float64bits(value))
		sample = protowire.AppendTag(sample, 2, protowire.VarintType)
		at.time = len(sample)
		sample = protowire.AppendVarint(sample, 1<<(7*timeBytes-1))
		one = protowire.AppendBytes(protowire.AppendTag(one, 2, protowire.BytesType), sample)
		at.value += len(one) - len(sample)
		at.time += len(one) - len(sample)
		series, holes = append(series, one), append(holes, at)
	}
	field := protowire.Number(1)
	if v2 {
		field = 5
		for _, s := range symbols.all {
			r.msg = protowire.AppendString(protowire.AppendTag(r.msg, 4, protowire.BytesType), s)
		}
	}
	for i, one := range series {
		r.msg = protowire.AppendBytes(protowire.AppendTag(r.msg, field, protowire.BytesType), one)
		start := len(r.msg) - len(one)
		r.values = append(r.values, start+holes[i].value)
		r.times = append(r.times, start+holes[i].time)
	}
	return r, nil
}

// hole is where the numbers of one series are, within that series.
type hole struct{ value, time int }

// symbolTable numbers strings; the first is empty, as the protocol wants it.
type symbolTable struct {
	all   []string
	index map[string]uint64
}

func (t *symbolTable) ref(s string) uint64 {
	if t.index == nil {
		t.all, t.index = []string{""}, map[string]uint64{"": 0}
	}
	n, ok := t.index[s]
	if !ok {
		n = uint64(len(t.all))
		t.all = append(t.all, s)
		t.index[s] = n
	}
	return n
}

// parseLine reads a line of a body of this module, which escapes nothing.
func parseLine(line string) ([]label, float64, error) {
	head, number, _ := strings.Cut(line[strings.LastIndexByte(line, '}')+1:], " ")
	name := head
	var labels []label
	if open := strings.IndexByte(line, '{'); open >= 0 {
		name = line[:open]
		for _, pair := range strings.Split(strings.TrimSuffix(line[open+1:strings.LastIndexByte(line, '}')], `"`), `",`) {
			n, v, ok := strings.Cut(pair, `="`)
			if !ok {
				return nil, 0, fmt.Errorf("parse line %q: no label in %q", line, pair)
			}
			labels = append(labels, label{n, v})
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("parse line %q: %w", line, err)
	}
	return append(labels, label{"__name__", name}), value, nil
}

// patch makes the request that of another scrape: the number of the body, which the sink
// wants to see, all timestamps, and as many values as would have changed.
func (r *request) patch(body []byte, millis int64) error {
	var when [timeBytes]byte
	binary.PutUvarint(when[:], uint64(millis))
	for _, at := range r.times {
		copy(r.msg[at:at+timeBytes], when[:])
	}
	serial, err := serialOf(body)
	if err != nil {
		return err
	}
	for range int(target.ChangePart * float64(len(r.values))) {
		r.next = r.next%(len(r.values)-1) + 1 // the first one is the number of the body
		r.put(r.next, float64(millis-int64(r.next)))
	}
	r.put(0, serial)
	return nil
}

func (r *request) put(i int, value float64) {
	binary.LittleEndian.PutUint64(r.msg[r.values[i]:], math.Float64bits(value))
}

// serialOf reads the number of a body, the first series in it.
func serialOf(body []byte) (float64, error) {
	_, rest, ok := bytes.Cut(body, []byte("\n"+target.Marker+" "))
	number, _, ok2 := bytes.Cut(rest, []byte("\n"))
	if !ok || !ok2 {
		return 0, fmt.Errorf("read number of body: no %s", target.Marker)
	}
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil {
		return 0, fmt.Errorf("read number of body: %w", err)
	}
	return f, nil
}
