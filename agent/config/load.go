package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// maxFileSize bounds what is read into memory. A large file has some thousand lines.
const maxFileSize = 4 << 20

// Load reads and checks the file at path. Relative paths in it start at its folder. An error
// about its content is an Errors, which holds all mistakes; warnings are returned in any case.
func Load(path string, getenv func(string) string) (*Config, []Warning, error) {
	data, err := read(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	c, r := decode(path, data, getenv, dir)
	r.missing(dir)
	return c.orErrors(r)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%s: larger than %d MiB", path, maxFileSize>>20)
	}
	return data, nil
}

// Parse checks a configuration. Name stands for the file in errors and warnings; dir is
// where relative paths start. It does not touch the file system.
func Parse(name string, data []byte, getenv func(string) string, dir string) (*Config, []Warning, error) {
	c, r := decode(name, data, getenv, dir)
	return c.orErrors(r)
}

func decode(name string, data []byte, getenv func(string) string, dir string) (*Config, *report) {
	r := newReport(name)
	d := newDecoder(r, getenv)
	c := withDefaults[Config]()
	if n := r.document(data); n != nil {
		d.value(n, reflect.ValueOf(c).Elem(), nil)
		r.decoded = len(r.errs)
	}
	if d.left > 0 {
		c.resolve()
		c.check(r)
	}
	if len(r.errs) == 0 {
		c.remarks(r)
		r.idleVariables(getenv, d.used)
		c.setDirectory(dir)
	}
	return c, r
}

// orErrors returns the configuration unless the report holds errors.
func (c *Config) orErrors(r *report) (*Config, []Warning, error) {
	warnings, err := r.result()
	if err != nil {
		return nil, warnings, err
	}
	return c, warnings, nil
}

// document returns the one mapping that the file must be, or nil.
func (r *report) document(data []byte) *yaml.Node {
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		r.errorf(nil, "the file is empty")
		return nil
	} else if err != nil {
		r.syntax(data, err)
		return nil
	}
	root := dealias(doc.Content[0])
	if root.Kind != yaml.MappingNode {
		if isNull(root) {
			r.errorf(nil, "the file is empty")
		} else {
			r.errorAt(root.Line, nil, "want a mapping with keys such as scrape_configs, got %s", describe(root))
		}
		return nil
	}
	if err := dec.Decode(&more); err == nil {
		r.errorAt(more.Line, nil, "a second document begins here: the configuration is one")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(data, err)
	}
	return root
}

// parserLine is how the YAML library names a line, if it does.
var parserLine = regexp.MustCompile(`^line ([0-9]+): (.*)$`)

// unknownAnchor is the one mistake that it finds without naming a line.
var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.+)' referenced$`)

// syntax reports what the YAML parser says.
func (r *report) syntax(data []byte, err error) {
	line, msg := 0, yamlReason(err)
	if m := parserLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = m[2]
		if strings.HasPrefix(msg, "did not find expected") {
			line++ // these lines are counted from 0
			msg += "; look for it from this line on"
		}
	} else if m := unknownAnchor.FindStringSubmatch(msg); m != nil {
		if before, _, ok := bytes.Cut(data, []byte("*"+m[1])); ok {
			line = 1 + bytes.Count(before, []byte("\n"))
		}
	}
	r.errorAt(line, nil, "not YAML: %s", msg)
}

func yamlReason(err error) string {
	return strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", " ")
}

// setDirectory makes relative paths start at dir.
func (c *Config) setDirectory(dir string) {
	for _, s := range c.ScrapeConfigs {
		s.Scrape.HTTPClient.SetDirectory(dir)
		for i := range s.Discover.FileSDConfigs {
			joinAll(dir, s.Discover.FileSDConfigs[i].Files)
		}
	}
	for _, p := range c.ProfileConfigs {
		p.Profiler.HTTPClient.SetDirectory(dir)
		for i := range p.Discover.FileSDConfigs {
			joinAll(dir, p.Discover.FileSDConfigs[i].Files)
		}
	}
	for _, w := range c.RemoteWrite {
		w.HTTPClient.SetDirectory(dir)
	}
	for _, w := range c.PyroscopeWrite {
		w.HTTPClient.SetDirectory(dir)
	}
}

func joinAll(dir string, paths []string) {
	for i, p := range paths {
		paths[i] = promconfig.JoinDir(dir, p)
	}
}
