package scrape

import (
	"strings"

	"github.com/prometheus/common/model"

	"outrider/telemetry"
)

// family is what an exposition says of one metric family. Its metadata is shared with those
// who got it, so a change makes a new one.
type family struct {
	meta *telemetry.Metadata
	iter uint32 // the last scrape that spoke of it
	said uint8  // what that scrape said of it
	used uint32 // the last scrape that described a series by it
	// Client libraries make one name of two families: in OpenMetrics x_total and a gauge x
	// are both x. What a body says otherwise than it did before is about another family,
	// the next one of that name.
	next *family
	nth  int
	now  *family // of the first of a name: which one the scrape speaks of
}

// maxSameName is how many families of one name are told apart.
const maxSameName = 8

// several says whether there may be more than one of that name.
func (f *family) several() bool { return f.next != nil || f.nth > 0 }

// statement is one thing that an exposition says of a family.
type statement struct {
	what uint8
	typ  model.MetricType
	text []byte
}

// What a statement is of.
const (
	saidType = 1 << iota
	saidHelp
	saidUnit
)

// heldBy says whether it is what meta says.
func (s *statement) heldBy(meta *telemetry.Metadata) bool {
	switch s.what {
	case saidType:
		return meta.Type == s.typ
	case saidHelp:
		return meta.Help == string(s.text)
	}
	return meta.Unit == string(s.text)
}

// in returns metadata that says so.
func (s *statement) in(meta telemetry.Metadata) *telemetry.Metadata {
	switch s.what {
	case saidType:
		meta.Type = s.typ
	case saidHelp:
		meta.Help = string(s.text)
	default:
		meta.Unit = string(s.text)
	}
	return &meta
}

// families are those of one target, by name: the first of each.
type families map[string]*family

// keepFamilies is for how many scrapes metadata is kept after its last mention.
const keepFamilies = 10

// says has a scrape say something of the family of a name.
func (fs families) says(name []byte, s statement, iter uint32) (f *family, w wording) {
	head := fs[string(name)]
	if head == nil {
		head = &family{meta: &telemetry.Metadata{Family: string(name), Type: model.MetricTypeUnknown}}
		fs[head.meta.Family] = head
	}
	if head.meet(iter) {
		head.now = head
		w.first = true
	}
	f = head.now
	held := s.heldBy(f.meta)
	if !held && f.said&s.what != 0 {
		if f.next == nil && f.nth+1 < maxSameName {
			f.next = &family{meta: f.meta, nth: f.nth + 1}
		}
		if f.next == nil {
			w.contradicts = true
		} else {
			f = f.next
			f.meet(iter)
			head.now = f
			held = s.heldBy(f.meta)
		}
	}
	f.said |= s.what
	if !held {
		f.meta = s.in(*f.meta)
		w.anew = true
	}
	return f, w
}

// wording is how a statement compares with those before.
type wording struct {
	first       bool // it is the first of this scrape about the name
	anew        bool // another scrape said otherwise, or nothing
	contradicts bool // this scrape said otherwise before
}

// meet notes that a scrape speaks of the family, and says whether it had not before.
func (f *family) meet(iter uint32) bool {
	if f.iter == iter {
		return false
	}
	f.iter, f.said = iter, 0
	return true
}

func (fs families) sweep(iter uint32) {
	for name, f := range fs {
		if iter-f.iter > keepFamilies {
			delete(fs, name)
		}
	}
}

// hasSeries says whether a series of this name belongs to the family that TYPE and HELP were
// last said of. In text nothing marks the end of a family, so a series that follows may be
// of another one; and relabelling may have renamed it. _created is a gauge of its own.
func hasSeries(meta *telemetry.Metadata, name string) bool {
	rest, ok := strings.CutPrefix(name, meta.Family)
	if !ok {
		return false
	}
	if rest == "" {
		return true
	}
	switch meta.Type {
	case model.MetricTypeCounter:
		if strings.HasSuffix(meta.Family, "_total") {
			return false
		}
		return rest == "_total"
	case model.MetricTypeHistogram:
		return rest == "_bucket" || rest == "_sum" || rest == "_count"
	case model.MetricTypeGaugeHistogram:
		return rest == "_bucket" || rest == "_gsum" || rest == "_gcount" || rest == "_sum" || rest == "_count"
	case model.MetricTypeSummary:
		return rest == "_sum" || rest == "_count"
	case model.MetricTypeInfo:
		return rest == "_info"
	}
	return false
}
