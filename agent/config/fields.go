package config

import (
	"reflect"
	"slices"
	"strings"
)

// fields are the keys of a struct, as its yaml tags give them.
type fields struct {
	direct map[string]int // key -> index of the field
	inline []int          // structs whose keys stand among those of this one
	rest   int            // index of an inline map, which takes any key; -1 when there is none
}

func fieldsOf(t reflect.Type) fields {
	fs := fields{direct: map[string]int{}, rest: -1}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("yaml")
		if !ok || tag == "-" || !f.IsExported() {
			continue
		}
		name, opts, _ := strings.Cut(tag, ",")
		switch inline := slices.Contains(strings.Split(opts, ","), "inline"); {
		case inline && f.Type.Kind() == reflect.Map:
			fs.rest = i
		case inline:
			fs.inline = append(fs.inline, i)
		default:
			fs.direct[name] = i
		}
	}
	return fs
}

// keysOf returns all keys of a struct with those of its inline structs, sorted.
func keysOf(t reflect.Type) []string {
	fs := fieldsOf(t)
	var keys []string
	for k := range fs.direct {
		keys = append(keys, k)
	}
	for _, i := range fs.inline {
		keys = append(keys, keysOf(t.Field(i).Type)...)
	}
	slices.Sort(keys)
	return keys
}

// takesAnyKey says whether the struct is a map with another name.
func takesAnyKey(t reflect.Type) bool { return fieldsOf(t).rest >= 0 }
