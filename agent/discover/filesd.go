package discover

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fileFormat is how a file of target groups is written.
type fileFormat int

const (
	formatJSON fileFormat = iota
	formatYAML
)

// formatOf tells the format of a file from the end of its name.
func formatOf(name string) (fileFormat, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json":
		return formatJSON, nil
	case ".yml", ".yaml":
		return formatYAML, nil
	}
	return 0, errors.New("name must end in .json, .yml or .yaml")
}

// parseGroups reads the list of target groups that a file holds. Of a YAML file that is the
// first document, as in Prometheus. Whether addresses and label values are good is not
// looked at: one bad target is no reason to lose the others.
//
// An empty file is an error, although it is valid YAML: it is what a reader sees of a file
// that is being written anew. A list without targets is written [].
func parseGroups(format fileFormat, content []byte) ([]StaticConfig, error) {
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, errors.New("file is empty: write [] for no targets")
	}
	var groups []*StaticConfig
	switch format {
	case formatJSON:
		dec := json.NewDecoder(bytes.NewReader(content))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&groups); err != nil {
			return nil, fmt.Errorf("parse JSON: %w", err)
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return nil, errors.New("parse JSON: there is more after the list of groups")
		}
	case formatYAML:
		dec := yaml.NewDecoder(bytes.NewReader(content))
		dec.KnownFields(true)
		// Only comments: nothing to decode, and nothing wrong.
		if err := dec.Decode(&groups); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("parse YAML: %w", firstOf(err))
		}
	default:
		panic(fmt.Sprintf("BUG: file format %d", format))
	}
	out := make([]StaticConfig, len(groups))
	for i, g := range groups {
		if g == nil {
			return nil, fmt.Errorf("group %d is null", i+1)
		}
		out[i] = *g
	}
	return out, nil
}

// firstOf shortens an error that lists everything that is wrong with a document, which can
// be as long as the document.
func firstOf(err error) error {
	var all *yaml.TypeError
	if !errors.As(err, &all) || len(all.Errors) == 0 {
		return err
	}
	if more := len(all.Errors) - 1; more > 0 {
		return fmt.Errorf("%s (and %d more)", all.Errors[0], more)
	}
	return errors.New(all.Errors[0])
}
