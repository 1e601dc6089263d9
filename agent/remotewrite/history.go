package remotewrite

import (
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
)

// maxTracked bounds how many series of one target a history remembers. Beyond it repeats are
// let through: receivers take an exact repeat.
const maxTracked = 20_000

// history remembers what was sent last of the series that have timestamps of their own, or
// exemplars. A service goes on showing such a sample until it has a newer one, and it must
// not be sent again with every scrape. All other series share the time of their scrape.
type history struct {
	series map[string]*lastSent // by the key of the final labels
	buf    []byte
	swept  int64 // time of the scrape that last let go of what is no longer seen
}

type lastSent struct {
	timeMs   int64 // of the last sample with its own timestamp; 0 for none
	exemplar exemplar.Exemplar
	seenMs   int64 // time of the last scrape that asked for it
}

// get returns what is remembered of a series, or nil.
func (h *history) get(ls []label) *lastSent {
	if len(h.series) == 0 {
		return nil
	}
	h.buf = appendKey(h.buf[:0], ls)
	return h.series[string(h.buf)]
}

// track returns what is remembered of a series, to be changed. What is beyond the bound is
// not remembered.
func (h *history) track(ls []label, scrapeMs int64) *lastSent {
	if l := h.get(ls); l != nil {
		l.seenMs = scrapeMs
		return l
	}
	if full := len(h.series) >= maxTracked; scrapeMs-h.swept > forgetAfter || full && h.swept != scrapeMs {
		h.forget(scrapeMs)
		h.swept = scrapeMs
	}
	l := &lastSent{seenMs: scrapeMs}
	if len(h.series) >= maxTracked {
		return l
	}
	if h.series == nil {
		h.series = make(map[string]*lastSent)
	}
	h.buf = appendKey(h.buf[:0], ls)
	h.series[string(h.buf)] = l
	return l
}

// forgetAfter is how long a series that is no longer seen is remembered.
const forgetAfter = 10 * 60 * 1000 // milliseconds

func (h *history) forget(nowMs int64) {
	for k, l := range h.series {
		if nowMs-l.seenMs > forgetAfter {
			delete(h.series, k)
		}
	}
}

// fresh says whether an exemplar is newer than the last one of its series, and remembers it.
func (l *lastSent) fresh(e exemplar.Exemplar) bool {
	if exemplar.Compare(e, l.exemplar) <= 0 { // receivers compare them in this way as well
		return false
	}
	if !e.HasTs && e.Value == l.exemplar.Value && labels.Equal(e.Labels, l.exemplar.Labels) {
		return false // its time is only that of the scrape: it is the same exemplar
	}
	l.exemplar = e
	return true
}
