package scrape

import (
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

// joiner makes the key of final labels right from what a service exposed, where there is
// nothing to do but to put the labels of the target among them.
type joiner struct {
	rules *rules
	syms  *telemetry.Symbols
	// ours are the labels of the target, sorted by name; nil if they are not so simple.
	ours []ownLabel
	key  []byte
}

// ownLabel is a label of the target and its part of a key.
type ownLabel struct {
	name string
	key  []byte
}

// finalKey is rules.final, encoded. The key is good until the next call.
func (st *state) finalKey(exposed labels.Labels) (key []byte, keep bool, err error) {
	if key, ok := st.joiner.join(st.rules, st.syms, exposed); ok {
		return key, true, nil
	}
	lset, keep, err := st.rules.final(st.builder, exposed)
	if err != nil || !keep {
		return nil, false, err
	}
	return st.syms.Key(lset), true, nil
}

// reset prepares for other rules or symbols.
func (j *joiner) reset(r *rules, syms *telemetry.Symbols) {
	*j = joiner{rules: r, syms: syms}
	if len(r.relabel) > 0 || r.labelLimit > 0 || r.labelNameLimit > 0 || r.labelValueLimit > 0 {
		return
	}
	ours, simple := []ownLabel{}, true
	r.target.Range(func(l labels.Label) {
		simple = simple && l.Name != model.MetricNameLabel && isSimple(l)
		ours = append(ours, ownLabel{name: l.Name, key: syms.Append(nil, l)})
	})
	if simple {
		j.ours = ours
	}
}

// join is false for whatever rules.final has to look at: rules, limits, labels of one name, or
// that no receiver would take.
func (j *joiner) join(r *rules, syms *telemetry.Symbols, exposed labels.Labels) (key []byte, ok bool) {
	if j.rules != r || j.syms != syms {
		j.reset(r, syms)
	}
	if j.ours == nil {
		return nil, false
	}
	key, ours, named, last := j.key[:0], j.ours, false, ""
	ok = true
	exposed.Range(func(l labels.Label) {
		for len(ours) > 0 && ours[0].name < l.Name {
			key, ours = append(key, ours[0].key...), ours[1:]
		}
		if l.Name <= last || len(ours) > 0 && ours[0].name == l.Name || !isSimple(l) {
			ok = false
		}
		if !ok {
			return
		}
		key, last = syms.Append(key, l), l.Name
		named = named || l.Name == model.MetricNameLabel
	})
	for _, o := range ours {
		key = append(key, o.key...)
	}
	j.key = key
	return key, ok && named
}

// isSimple says whether a label is one that all receivers take and no builder leaves out.
func isSimple(l labels.Label) bool {
	return l.Name != "" && l.Value != "" && utf8.ValidString(l.Name) && utf8.ValidString(l.Value)
}
