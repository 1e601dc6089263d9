package config

import (
	"encoding"
	"errors"
	"reflect"
	"slices"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// decoder fills structs from YAML nodes. It does what yaml.Decoder does with known fields
// only, but goes on after a mistake, knows its line and path, and suggests what was meant.
//
// Types with an UnmarshalYAML of their own, most of them of Prometheus, decode themselves:
// the decoder calls the method and is itself the unmarshal function that it gets. So their
// defaults and checks hold, and their keys are checked like all others.
type decoder struct {
	*report
	getenv func(string) string
	used   map[string]bool // environment variables that were expanded
	left   int             // values that may still be decoded
	merges int             // how deep in `<<` the decoder is
}

// What aliases can make of a small file is bounded.
const (
	maxValues = 1 << 16
	maxMerges = 16
)

func newDecoder(r *report, getenv func(string) string) *decoder {
	return &decoder{report: r, getenv: getenv, used: map[string]bool{}, left: maxValues}
}

// unmarshaler is the form of UnmarshalYAML that Prometheus uses.
type unmarshaler interface {
	UnmarshalYAML(unmarshal func(any) error) error
}

// errReported ends an UnmarshalYAML whose mistakes are in the report already.
var errReported = errors.New("already reported")

// value decodes n into v, which must be addressable. A null leaves v as it is.
func (d *decoder) value(n *yaml.Node, v reflect.Value, p path) {
	n = dealias(n)
	if !d.spend(p) || isNull(n) {
		return
	}
	if v.Kind() == reflect.Pointer {
		elem := reflect.New(v.Type().Elem())
		d.value(n, elem.Elem(), p)
		v.Set(elem)
		return
	}
	switch u := v.Addr().Interface().(type) {
	case unmarshaler:
		d.through(u, n.Value, d.line(p), p, func(into reflect.Value) { d.plain(n, into, p, v.Type()) })
	case encoding.TextUnmarshaler:
		d.text(n, u, p)
	default:
		d.plain(n, v, p, v.Type())
	}
	if v.Type() == reflect.TypeFor[model.Duration]() && v.Int() == 0 && !d.failed(p) {
		d.errorf(p, "must be longer than 0s")
	}
}

// spend counts a value against the bound.
func (d *decoder) spend(p path) bool {
	d.left--
	if d.left == 0 {
		d.errorf(p, "the file holds more than %d values", maxValues)
	}
	return d.left > 0
}

// through lets u decode itself from what fill writes; text is the scalar it is made of.
func (d *decoder) through(u unmarshaler, text string, line int, p path, fill func(into reflect.Value)) {
	before := len(d.errs)
	err := u.UnmarshalYAML(func(into any) error {
		fill(reflect.ValueOf(into).Elem())
		if len(d.errs) > before {
			return errReported
		}
		return nil
	})
	if err != nil && len(d.errs) == before {
		d.errorAt(line, p, "%s", reason(u, text, err))
	}
}

// plain decodes n into v by its kind alone. The owner is the type that users know v by: it
// differs from v's where an UnmarshalYAML hides its own methods.
func (d *decoder) plain(n *yaml.Node, v reflect.Value, p path, owner reflect.Type) {
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, p, owner)
	case reflect.Slice:
		d.list(n, v, p)
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			d.mistyped(n, p, "a mapping")
			return
		}
		d.mapping(d.entries(n, p), v, p)
	case reflect.Interface:
		if err := n.Decode(v.Addr().Interface()); err != nil {
			d.errorf(p, "%s", yamlReason(err))
		}
	default:
		d.scalar(n, v, p)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, p path) {
	if n.Kind != yaml.SequenceNode {
		d.mistyped(n, p, "a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		at := p.at(i)
		d.lines[at.String()] = item.Line
		if isNull(dealias(item)) {
			d.errorf(at, "empty list entry")
			d.broken[at.String()] = true
		}
		elem := out.Index(i)
		if elem.Kind() == reflect.Pointer {
			elem.Set(reflect.New(elem.Type().Elem())) // never nil, whatever is wrong
		}
		d.value(item, elem, at)
	}
	v.Set(out)
}

func (d *decoder) mapping(es []entry, v reflect.Value, p path) {
	out := reflect.MakeMapWithSize(v.Type(), len(es))
	for _, e := range es {
		at := p.at(e.key)
		d.lines[at.String()] = e.line
		before := len(d.errs)
		key := reflect.New(v.Type().Key()).Elem()
		if u, ok := key.Addr().Interface().(unmarshaler); ok {
			d.through(u, e.key, e.line, at, func(into reflect.Value) { into.SetString(e.key) })
		} else {
			key.SetString(e.key)
		}
		if len(d.errs) > before {
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(e.node, value, at)
		out.SetMapIndex(key, value)
	}
	v.Set(out)
}

// structure decodes a mapping into a struct and accounts for each of its keys.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, p path, owner reflect.Type) {
	if n.Kind != yaml.MappingNode {
		d.mistyped(n, p, "a mapping")
		return
	}
	known := slices.DeleteFunc(keysOf(v.Type()), func(key string) bool {
		_, isForeign := foreignKey(owner, key)
		return isForeign
	})
	es := slices.DeleteFunc(d.entries(n, p), func(e entry) bool {
		at := p.at(e.key)
		d.lines[at.String()] = e.line
		f, isForeign := foreignKey(owner, e.key)
		switch {
		case isForeign && f.rejected:
			d.errorf(at, "%s", f.why)
		case isForeign:
			d.warnf(at, "has no effect: %s", f.why)
		case slices.Contains(known, e.key) || takesAnyKey(v.Type()):
			return false
		default:
			candidates := append(acceptedKeys(owner), known...)
			d.errorf(at, "unknown key, %s", orElse(e.key, candidates))
			for _, meant := range suggest(e.key, candidates) {
				d.suspects[p.at(meant).String()] = true
			}
		}
		return true
	})
	d.fill(es, v, p)
}

// fill decodes those entries that are keys of v, after v got its defaults.
func (d *decoder) fill(es []entry, v reflect.Value, p path) {
	setDefaults(v.Addr().Interface())
	fs := fieldsOf(v.Type())
	var rest []entry
	for _, e := range es {
		if i, ok := fs.direct[e.key]; ok {
			d.value(e.node, v.Field(i), p.at(e.key))
		} else {
			rest = append(rest, e)
		}
	}
	for _, i := range fs.inline {
		d.inline(rest, v.Field(i), p)
	}
	if fs.rest >= 0 && len(rest) > 0 {
		d.mapping(rest, v.Field(fs.rest), p)
	}
}

// inline decodes a struct whose keys stand among those of the struct around it. Where that
// one has set defaults, they go before those of the type itself.
func (d *decoder) inline(es []entry, v reflect.Value, p path) {
	u, ok := v.Addr().Interface().(unmarshaler)
	if !ok {
		d.fill(es, v, p)
		return
	}
	line := d.line(p)
	keys := keysOf(v.Type())
	if i := slices.IndexFunc(es, func(e entry) bool { return slices.Contains(keys, e.key) }); i >= 0 {
		line = es[i].line
	}
	preset := reflect.New(v.Type()).Elem()
	preset.Set(v)
	d.through(u, "", line, p, func(into reflect.Value) {
		if !preset.IsZero() {
			into.Set(preset.Convert(into.Type()))
		}
		d.fill(es, into, p)
	})
}

// entry is one key of a mapping with its value.
type entry struct {
	key  string
	line int
	node *yaml.Node
}

// entries returns the keys of a mapping in their order, each once. What `<<` merges comes
// after them and yields to them.
func (d *decoder) entries(n *yaml.Node, p path) []entry {
	var es []entry
	var merges []*yaml.Node
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := dealias(n.Content[i])
		switch {
		case k.Kind != yaml.ScalarNode || isNull(k):
			d.errorAt(n.Content[i].Line, p, "a key must be text, got %s", describe(k))
		case k.Tag == "!!merge":
			merges = append(merges, dealias(n.Content[i+1]))
		case first[k.Value] > 0:
			d.errorAt(n.Content[i].Line, p.at(k.Value), "given twice, first on line %d", first[k.Value])
		default:
			first[k.Value] = n.Content[i].Line
			es = append(es, entry{k.Value, n.Content[i].Line, n.Content[i+1]})
		}
	}
	for _, m := range merges {
		for _, e := range d.merged(m, p) {
			if first[e.key] == 0 {
				first[e.key] = e.line
				es = append(es, e)
			}
		}
	}
	return es
}

// merged returns what the value of a `<<` brings: a mapping or a list of them.
func (d *decoder) merged(m *yaml.Node, p path) []entry {
	if !d.spend(p) {
		return nil
	}
	if d.merges >= maxMerges {
		d.left = 0 // a loop that may branch: enough of this file
		d.errorAt(m.Line, p, "<< is nested too deep, or in itself")
		return nil
	}
	d.merges++
	defer func() { d.merges-- }()
	switch m.Kind {
	case yaml.MappingNode:
		return d.entries(m, p)
	case yaml.SequenceNode:
		var es []entry
		for _, item := range m.Content {
			es = append(es, d.merged(dealias(item), p)...)
		}
		return es
	}
	d.errorAt(m.Line, p, "<< wants a mapping, got %s", describe(m))
	return nil
}

func dealias(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// failed says whether something wrong with p itself has been reported.
func (d *decoder) failed(p path) bool {
	key := p.String()
	return slices.ContainsFunc(d.errs, func(e Error) bool { return e.Key == key })
}

// mistyped reports a value of another kind than wanted. Nothing in it is checked further.
func (d *decoder) mistyped(n *yaml.Node, p path, want string) {
	d.errorf(p, "want %s, got %s", want, describe(n))
	d.broken[p.String()] = true
}
