package config

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/alecthomas/units"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"

	"outrider/agent/discover"
	"outrider/agent/remotewrite"
	"outrider/agent/scrape"
	"outrider/profiler"
	"outrider/profiler/pyroscope"
)

// TestReference holds docs/configuration.md equal to what the code says:
//
//	go test ./agent/config -run TestReference -update
func TestReference(t *testing.T) {
	page, err := template.New("reference.md.tmpl").Funcs(template.FuncMap{
		"example":      func() (string, error) { return readText("testdata/example.yml") },
		"keys":         newReference(t).table,
		"noEffect":     func() string { return foreignTable(false) },
		"rejected":     func() string { return foreignTable(true) },
		"discoverers":  func() string { return "`" + strings.Join(discoverers, "_sd_configs`, `") + "_sd_configs`" },
		"expandable":   expandableList,
		"variables":    variablesTable,
		"profileTypes": profileTypesTable,
	}).ParseFiles("testdata/reference.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, nil); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "..", "docs", "configuration.md"), out.String())
}

// TestExample loads the example of the reference, without a warning.
func TestExample(t *testing.T) {
	data, err := readText("testdata/example.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, warnings, err := Parse("example.yml", []byte(data), env("CHECKOUT_ADDRESS", "localhost:8080"), "/etc/outrider")
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, warnings)
}

func readText(path string) (string, error) {
	data, err := os.ReadFile(path)
	return string(data), err
}

// reference makes tables of blocks.
type reference struct {
	t    *testing.T
	docs map[string]string // "package.Type.Field" -> its comment
	used map[string]bool   // keys of words
}

func newReference(t *testing.T) *reference {
	ref := &reference{t: t, docs: map[string]string{}, used: map[string]bool{}}
	for _, dir := range []string{".", "../discover", "../scrape", "../remotewrite", "../spool", "../../profiler", "../../profiler/pyroscope"} {
		ref.readComments(dir)
	}
	t.Cleanup(func() {
		for key := range words {
			if !ref.used[key] && !t.Failed() {
				t.Errorf("words explain %s, which is in no block", key)
			}
		}
	})
	return ref
}

// readComments collects the comments of struct fields.
func (ref *reference) readComments(dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		ref.t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			ref.t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, field := range f.Names {
						ref.docs[file.Name.Name+"."+spec.Name.Name+"."+field.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
					}
				}
			}
			return false
		})
	}
}

// block is one block with all defaults, as the page shows it.
func block(name string) any {
	c := withDefaults[Config]()
	c.resolve()
	switch name {
	case "config":
		return c
	case "global":
		return &c.Global
	case "scrape_configs":
		return &ScrapeConfig{Scrape: *withDefaults[scrape.Config]()}
	case "static_configs":
		return &discover.StaticConfig{}
	case "file_sd_configs":
		return withDefaults[discover.FileSDConfig]()
	case "relabel_configs":
		rule := relabel.DefaultRelabelConfig
		return &rule
	case "spool":
		return &c.Spool
	case "remote_write":
		return withDefaults[remotewrite.Config]()
	case "profile_configs":
		return &ProfileConfig{Profiler: *withDefaults[profiler.Config]()}
	case "profiles":
		return &profiler.TypeConfig{}
	case "pyroscope_write":
		return withDefaults[pyroscope.Config]()
	case "http_client":
		c := promconfig.DefaultHTTPClientConfig
		return &c
	case "basic_auth":
		return &promconfig.BasicAuth{}
	case "authorization":
		return &promconfig.Authorization{Type: "Bearer"}
	case "oauth2":
		return &promconfig.OAuth2{}
	case "tls_config":
		return &promconfig.TLSConfig{}
	case "http_headers":
		return &promconfig.Header{}
	}
	return nil
}

// defaults are those that a block alone does not show, by block and key.
var otherDefaults = map[string]string{
	"scrape_configs.job_name":         "needed",
	"profile_configs.job_name":        "needed",
	"static_configs.targets":          "needed",
	"file_sd_configs.files":           "needed",
	"remote_write.url":                "needed",
	"pyroscope_write.url":             "needed",
	"remote_write.name":               "host of the URL",
	"pyroscope_write.name":            "host of the URL",
	"profile_configs.scheme":          "that of the scrape job, else `http`",
	"profiles.enabled":                "`true`",
	"profiles.period":                 "of the type",
	"profiles.duration":               "of the type",
	"profile_configs.profiles":        "all types",
	"config.global":                   "",
	"relabel_configs.regex":           "`(.*)`",
	"scrape_configs.enable_http2":     "",
	"config.spool":                    "",
	"remote_write.spool":              "as in `spool`",
	"global.scrape_protocols":         "",
	"scrape_configs.scrape_protocols": "as in `global`",
}

func (ref *reference) table(name string) (string, error) {
	b := block(name)
	if b == nil {
		return "", fmt.Errorf("no block %q", name)
	}
	var rows strings.Builder
	rows.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	client := ref.rows(&rows, name, reflect.ValueOf(b).Elem())
	if client {
		rows.WriteString("\nAnd the keys of the [HTTP client](#http-client).\n")
	}
	return rows.String(), nil
}

// rows writes a row for each key and says whether the HTTP client's are among them.
func (ref *reference) rows(out *strings.Builder, name string, v reflect.Value) (client bool) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		key, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(opts, "inline") && f.Type == reflect.TypeFor[promconfig.HTTPClientConfig]():
			client = true
		case strings.Contains(opts, "inline"):
			client = ref.rows(out, name, v.Field(i)) || client
		case key == "" || key == "-":
		default:
			if _, isForeign := foreignKey(t, key); isForeign {
				continue
			}
			fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", key, typeName(f.Type, key), ref.unset(name, key, t, v.Field(i)), ref.meaning(t, f, key))
		}
	}
	return client
}

func (ref *reference) meaning(t reflect.Type, f reflect.StructField, key string) string {
	pkg := filepath.Base(t.PkgPath())
	text := ref.docs[pkg+"."+t.Name()+"."+f.Name]
	if text == "" {
		word := t.Name() + "." + key
		ref.used[word] = true
		text = words[word]
	}
	if text == "" {
		ref.t.Errorf("%s.%s: nothing says what %q means", t, f.Name, key)
	}
	text = dunder.ReplaceAllString(text, "$1`$2`") // else Markdown makes it bold
	return strings.ReplaceAll(text, "|", "\\|")
}

var dunder = regexp.MustCompile("(^|[^`\\w])(__\\w+)")

func (ref *reference) unset(name, key string, t reflect.Type, v reflect.Value) string {
	if d, ok := otherDefaults[name+"."+key]; ok {
		return d
	}
	if t == reflect.TypeFor[scrape.Config]() && v.IsZero() && slices.Contains(keysOf(reflect.TypeFor[Global]()), key) {
		return "as in `global`"
	}
	if v.IsZero() {
		switch v.Kind() {
		case reflect.Bool:
			return "`false`"
		case reflect.Uint:
			return "`0`"
		}
		return ""
	}
	text, err := yaml.Marshal(v.Interface())
	if err != nil {
		ref.t.Errorf("%s.%s: %v", name, key, err)
	}
	return "`" + strings.TrimSpace(string(text)) + "`"
}

// typeName is what the page calls a Go type. A block is a link to its section.
func typeName(t reflect.Type, key string) string {
	switch t {
	case reflect.TypeFor[model.Duration]():
		return "duration"
	case reflect.TypeFor[units.Base2Bytes]():
		return "size"
	case reflect.TypeFor[promconfig.Secret]():
		return "secret"
	case reflect.TypeFor[promconfig.URL](), reflect.TypeFor[*promconfig.URL]():
		return "URL"
	case reflect.TypeFor[relabel.Regexp]():
		return "regular expression"
	}
	switch link := "[" + key + "](#" + key + ")"; {
	case strings.HasSuffix(key, "relabel_configs"):
		return "list of [rules](#relabel_configs)"
	case key == "external_labels" || key == "labels":
		return "mapping of text"
	case key == "http_headers":
		return "mapping of " + link
	case block(key) != nil && t.Kind() == reflect.Slice:
		return "list of " + link
	case block(key) != nil && t.Kind() == reflect.Map:
		return "mapping of " + link
	case block(key) != nil:
		return link
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem(), key)
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Uint, reflect.Uint64:
		return "number"
	case reflect.Slice:
		return "list of " + typeName(t.Elem(), "")
	case reflect.Map:
		return "mapping of " + typeName(t.Elem(), "")
	}
	return "text"
}

func foreignTable(rejected bool) string {
	var rows []string
	for block, keys := range foreignKeys {
		name := map[reflect.Type]string{
			reflect.TypeFor[Config]():             "(top)",
			reflect.TypeFor[Global]():             "`global`",
			reflect.TypeFor[ScrapeConfig]():       "`scrape_configs`",
			reflect.TypeFor[ProfileConfig]():      "`profile_configs`",
			reflect.TypeFor[remotewrite.Config](): "`remote_write`",
		}[block]
		for key, f := range keys {
			if f.rejected == rejected && f.why != whyDiscovery {
				rows = append(rows, fmt.Sprintf("| %s | `%s` | %s |\n", name, key, f.why))
			}
		}
	}
	slices.Sort(rows)
	return "| block | key | why |\n|---|---|---|\n" + strings.Join(rows, "")
}

func expandableList() string {
	var out strings.Builder
	for _, pattern := range expandable {
		elems := slices.DeleteFunc(strings.Split(pattern, "."), func(e string) bool { return e == "[]" })
		for i, e := range elems {
			if e == "*" {
				elems[i] = "NAME"
			}
		}
		out.WriteString("- `" + strings.Join(elems, ".") + "`\n")
	}
	return out.String()
}

func variablesTable(withFile bool) string {
	var out strings.Builder
	out.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, v := range variables() {
		if withFile == (v.applies == always) {
			fmt.Fprintf(&out, "| `%s` | %s | %s |\n", v.name, v.unset, v.help)
		}
	}
	return out.String()
}

func profileTypesTable() string {
	var out strings.Builder
	out.WriteString("| type | period | duration | shows | costs |\n|---|---|---|---|---|\n")
	for _, p := range profiler.Types() {
		duration := "snapshot"
		if p.Duration > 0 {
			duration = inDocs(p.Duration)
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s |\n", p.Name, inDocs(p.Period), duration, p.Help, p.Cost)
	}
	return out.String()
}

func inDocs(d time.Duration) string { return "`" + model.Duration(d).String() + "`" }
