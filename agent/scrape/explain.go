package scrape

import (
	"bytes"
	"errors"
	"fmt"
)

// contentTypeError says what came instead of an exposition, and what to do about it.
func contentTypeError(body []byte, contentType string) error {
	what := fmt.Sprintf("Content-Type %q is no exposition format", excerpt(contentType))
	if contentType == "" {
		what = "the answer has no Content-Type"
	}
	if kind := looksLike(body); kind != "" {
		what += fmt.Sprintf(" and the body looks like %s: is this the address of the metrics?", kind)
	} else {
		what += "."
	}
	return fail(reasonContentType, "%s If it is an exposition all the same, name its format in fallback_scrape_protocol", what)
}

// parseError bounds the error of a parser, which quotes what it did not understand.
func parseError(body []byte, err error) error {
	if kind := looksLike(body); kind != "" {
		return fail(reasonParse, "parse: the body looks like %s: %s", kind, excerpt(err.Error()))
	}
	return fail(reasonParse, "parse: %s", excerpt(err.Error()))
}

// asFailure leaves failures as they are; all other errors are those of a parser.
func asFailure(body []byte, err error) error {
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	return parseError(body, err)
}

// looksLike names the kind of document that body seems to be; "" when it is none of those
// that people scrape by mistake.
func looksLike(body []byte) string {
	if bytes.HasPrefix(body, []byte("\x1f\x8b")) {
		return "gzip without a Content-Encoding"
	}
	start := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 512)]))
	start = bytes.TrimPrefix(start, []byte("\ufeff"))
	switch {
	case bytes.HasPrefix(start, []byte("<!doctype html")), bytes.HasPrefix(start, []byte("<html")),
		bytes.HasPrefix(start, []byte("<head")), bytes.HasPrefix(start, []byte("<body")):
		return "HTML"
	case bytes.HasPrefix(start, []byte("<")):
		return "XML or HTML"
	case isJSON(start):
		return "JSON"
	}
	return ""
}

// isJSON is careful with {"a.b",c="d"} 1, which is a metric with a quoted name.
func isJSON(start []byte) bool {
	if bytes.HasPrefix(start, []byte("[")) {
		return true
	}
	start, ok := bytes.CutPrefix(start, []byte("{"))
	if !ok {
		return false
	}
	key, ok := bytes.CutPrefix(bytes.TrimSpace(start), []byte(`"`))
	if !ok {
		return false
	}
	_, after, ok := bytes.Cut(key, []byte(`"`))
	return ok && bytes.HasPrefix(bytes.TrimSpace(after), []byte(":"))
}
