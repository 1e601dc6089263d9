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
}

// What a scrape may say of a family.
const (
	saidType = 1 << iota
	saidHelp
	saidUnit
)

// families are those of one target, by name.
type families map[string]*family

// keepFamilies is for how many scrapes metadata is kept after its last mention.
const keepFamilies = 10

// get returns the family of that name and whether this scrape speaks of it for the first time.
func (fs families) get(name []byte, iter uint32) (f *family, first bool) {
	f = fs[string(name)]
	if f == nil {
		f = &family{meta: &telemetry.Metadata{Family: string(name), Type: model.MetricTypeUnknown}}
		fs[f.meta.Family] = f
	}
	first = f.iter != iter
	if first {
		f.iter, f.said = iter, 0
	}
	return f, first
}

// wording is how what a scrape says of a family compares with what was said of it before.
type wording uint8

const (
	wordedAlike wording = iota
	wordedAnew          // another scrape said otherwise, or nothing
	wordedTwice         // this scrape itself did
)

// says notes that this scrape says something of the family.
func (f *family) says(what uint8, otherwise bool) wording {
	w := wordedAlike
	if otherwise {
		w = wordedAnew
		if f.said&what != 0 {
			w = wordedTwice
		}
	}
	f.said |= what
	return w
}

func (f *family) setType(t model.MetricType) wording {
	w := f.says(saidType, f.meta.Type != t)
	if w != wordedAlike {
		meta := *f.meta
		meta.Type = t
		f.meta = &meta
	}
	return w
}

func (f *family) setHelp(help []byte) wording {
	w := f.says(saidHelp, f.meta.Help != string(help))
	if w != wordedAlike {
		meta := *f.meta
		meta.Help = string(help)
		f.meta = &meta
	}
	return w
}

func (f *family) setUnit(unit []byte) wording {
	w := f.says(saidUnit, f.meta.Unit != string(unit))
	if w != wordedAlike {
		meta := *f.meta
		meta.Unit = string(unit)
		f.meta = &meta
	}
	return w
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
