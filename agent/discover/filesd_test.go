package discover

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
)

func TestParseGroups(t *testing.T) {
	two := []StaticConfig{
		{Targets: []string{"localhost:9090", "example.org:443"}},
		{Targets: []string{"my.domain"}, Labels: model.LabelSet{"foo": "bar", "__metrics_path__": "/m"}},
	}
	tests := map[string]struct {
		format  fileFormat
		content string
		want    []StaticConfig
		wantErr string
	}{
		"JSON": {formatJSON, `[
			{"targets": ["localhost:9090", "example.org:443"]},
			{"targets": ["my.domain"], "labels": {"foo": "bar", "__metrics_path__": "/m"}}
		]`, two, ""},
		"YAML": {formatYAML, `
- targets: ['localhost:9090', 'example.org:443']
- targets: [my.domain]
  labels:
    foo: bar
    __metrics_path__: /m
`, two, ""},
		"YAML of one document and another": {formatYAML, "- targets: [a]\n---\n- targets: [b]\n", []StaticConfig{{Targets: []string{"a"}}}, ""},
		"YAML in the manner of JSON":       {formatYAML, `[{"targets": ["a"]}]`, []StaticConfig{{Targets: []string{"a"}}}, ""},
		"YAML number as a label value":     {formatYAML, "- targets: [a]\n  labels: {port: 8080}\n", []StaticConfig{{Targets: []string{"a"}, Labels: model.LabelSet{"port": "8080"}}}, ""},
		"no groups in JSON":                {formatJSON, "[]", []StaticConfig{}, ""},
		"no groups in YAML":                {formatYAML, "[]", []StaticConfig{}, ""},
		"only comments in YAML":            {formatYAML, "# none at present\n", []StaticConfig{}, ""},
		"a group without targets":          {formatJSON, `[{"labels": {"a": "b"}}]`, []StaticConfig{{Labels: model.LabelSet{"a": "b"}}}, ""},

		"empty JSON":               {formatJSON, "", nil, "file is empty: write [] for no targets"},
		"empty YAML":               {formatYAML, " \n", nil, "file is empty: write [] for no targets"},
		"null group in JSON":       {formatJSON, `[{"targets": ["a"]}, null]`, nil, "group 2 is null"},
		"null group in YAML":       {formatYAML, "- targets: [a]\n-\n", nil, "group 2 is null"},
		"half of JSON":             {formatJSON, `[{"targets": ["a`, nil, "parse JSON: unexpected EOF"},
		"half of YAML":             {formatYAML, "- targets: [a, ", nil, "parse YAML: yaml: line 1: did not find expected node content"},
		"more after JSON":          {formatJSON, `[] []`, nil, "parse JSON: there is more after the list of groups"},
		"misspelt key in JSON":     {formatJSON, `[{"target": ["a"]}]`, nil, `parse JSON: json: unknown field "target"`},
		"misspelt key in YAML":     {formatYAML, "- target: [a]\n", nil, "parse YAML: line 1: field target not found in type discover.StaticConfig"},
		"a map":                    {formatYAML, "targets: [a]\n", nil, "parse YAML: line 1: cannot unmarshal !!map into []*discover.StaticConfig"},
		"label without a name":     {formatJSON, `[{"targets": ["a"], "labels": {"": "b"}}]`, nil, `parse JSON: "" is not a valid label name`},
		"HTML":                     {formatJSON, "<html>", nil, "parse JSON: invalid character '<' looking for beginning of value"},
		"binary as YAML":           {formatYAML, "\x00\x01\x02", nil, "parse YAML: yaml: control characters are not allowed"},
		"invalid UTF-8 in YAML":    {formatYAML, "- targets: [\"\xff\"]\n", nil, "parse YAML: yaml: invalid leading UTF-8 octet"},
		"aliases without end":      {formatYAML, bomb(), nil, "parse YAML: yaml: document contains excessive aliasing"},
		"many errors":              {formatYAML, strings.Repeat("- a\n", 1000), nil, "parse YAML: line 1: cannot unmarshal !!str `a` into discover.StaticConfig (and 999 more)"},
		"the same key twice":       {formatYAML, "- targets: [a]\n  targets: [b]\n", nil, "parse YAML: line 2: mapping key \"targets\" already defined at line 1"},
		"targets that are no list": {formatJSON, `[{"targets": "a"}]`, nil, "parse JSON: json: cannot unmarshal string into Go struct field StaticConfig.targets of type []string"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseGroups(tt.format, []byte(tt.content))
			if errString(err) != tt.wantErr {
				t.Errorf("error\n got %q\nwant %q", errString(err), tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

// bomb is a small file that stands for ten million targets.
func bomb() string {
	return "- targets: &a [" + strings.Repeat("x, ", 1000) + "]\n" + strings.Repeat("- targets: *a\n", 10_000)
}

func FuzzParseGroups(f *testing.F) {
	for _, s := range []string{
		`[{"targets": ["a:1"], "labels": {"b": "c"}}, null]`,
		"- targets: [a:1]\n  labels: {b: c}\n---\n-\n",
		"- &a {targets: [x]}\n- *a\n",
		"- <<: {targets: [x]}\n",
		"- targets: [1, null, 2001-01-01, !!binary aGk=]\n",
		"[]", "null", "{}", "\xef\xbb\xbf[]", "\x00",
	} {
		f.Add(true, []byte(s))
		f.Add(false, []byte(s))
	}
	f.Fuzz(func(t *testing.T, isJSON bool, content []byte) {
		format := formatYAML
		if isJSON {
			format = formatJSON
		}
		groups, err := parseGroups(format, content)
		if err != nil && groups != nil {
			t.Errorf("groups beside the error %v", err)
		}
		for _, g := range groups {
			for name := range g.Labels {
				if !model.UTF8Validation.IsValidLabelName(string(name)) {
					t.Errorf("label name %q", name)
				}
			}
		}
	})
}
