package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/alecthomas/units"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
)

// scalar decodes text, numbers and booleans. Any scalar is good as text. Messages repeat
// what was given except where it was meant to be text, which may be a secret.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, p path) {
	want := wanted(v.Kind())
	if n.Kind != yaml.ScalarNode {
		d.mistyped(n, p, want)
		return
	}
	if v.Kind() == reflect.String {
		v.SetString(d.expand(n.Value, p))
		if p.namesFile() {
			d.files = append(d.files, fileRef{p, v.String()})
		}
		return
	}
	if err := n.Decode(v.Addr().Interface()); err != nil {
		d.errorf(p, "want %s, got %q", want, short(n.Value))
	}
}

func wanted(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return "a number"
}

// text decodes into types that know text but not YAML.
func (d *decoder) text(n *yaml.Node, u encoding.TextUnmarshaler, p path) {
	if n.Kind != yaml.ScalarNode {
		d.mistyped(n, p, "text")
		return
	}
	if err := u.UnmarshalText([]byte(n.Value)); err != nil {
		if _, ok := u.(*units.Base2Bytes); ok {
			d.errorf(p, "want a size with its unit, such as 64MiB, got %q", short(n.Value))
			return
		}
		d.errorf(p, "%v", err)
		return
	}
	if b, ok := u.(*units.Base2Bytes); ok && *b < 0 {
		d.errorf(p, "want a size that is not negative, got %q", short(n.Value))
	}
}

// reason puts the error of an UnmarshalYAML of text in the terms of the file.
func reason(u unmarshaler, text string, err error) string {
	switch u.(type) {
	case *model.Duration:
		return fmt.Sprintf("want a duration such as 15s or 1m30s, got %q", short(text))
	case *relabel.Regexp:
		// Prometheus anchors a pattern, then complains of the anchored one.
		if _, own := syntax.Parse(text, syntax.Perl); own != nil {
			err = own
		}
		return "bad regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	case *relabel.Action:
		return fmt.Sprintf("unknown value %q, %s", short(text), orElse(text, relabelActions()))
	case *promconfig.TLSVersion:
		return fmt.Sprintf("unknown value %q, %s", short(text), orElse(text, slices.Collect(maps.Keys(promconfig.TLSVersions))))
	case *promconfig.URL:
		return "want a URL such as http://host:port/path: " + urlReason(err)
	}
	return err.Error()
}

func relabelActions() []string {
	var names []string
	for _, a := range []relabel.Action{
		relabel.Replace, relabel.Keep, relabel.Drop, relabel.KeepEqual, relabel.DropEqual, relabel.HashMod,
		relabel.LabelMap, relabel.LabelDrop, relabel.LabelKeep, relabel.Lowercase, relabel.Uppercase,
	} {
		names = append(names, string(a))
	}
	return names
}

// urlReason says why a URL does not parse, without the URL: it may hold a password.
func urlReason(err error) string {
	var bad *url.Error
	if errors.As(err, &bad) && !strings.Contains(bad.URL, "@") {
		return bad.Err.Error()
	}
	return "it cannot be parsed; a user name and password must be percent-encoded"
}

// describe names what was found instead of what was wanted.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return n.Value
	}
	return "text"
}

// short cuts what a message repeats.
func short(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
