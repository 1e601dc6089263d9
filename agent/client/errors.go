package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode"
)

// StatusError is an answer other than 200. Its text says what the sidecar said.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string { return e.Message }

// transportError says what to do about a sidecar that did not answer.
func (c *Client) transportError(err error) error {
	at := c.base.Redacted()
	timeout := false
	if ne, ok := errors.AsType[net.Error](err); ok {
		timeout = ne.Timeout()
	}
	switch _, unknownHost := errors.AsType[*net.DNSError](err); {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, syscall.ECONNREFUSED), unknownHost:
		return fmt.Errorf("no sidecar answers at %s: is it running? give its address with --url or OUTRIDER_URL", at)
	case timeout, errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the sidecar at %s did not answer in time", at)
	}
	// What url.Error says before its cause is the request, which people did not make.
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	return fmt.Errorf("ask the sidecar at %s: %w", at, err)
}

// answerError makes an error of an answer whose body is known.
func (c *Client) answerError(resp *http.Response, body []byte) error {
	e := &StatusError{Code: resp.StatusCode, Message: message(body)}
	at := c.base.Redacted()
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		e.Message = fmt.Sprintf("the sidecar at %s wants credentials: give them with --http.config.file", at)
	case resp.StatusCode == http.StatusNotFound && !isJSON(resp),
		strings.HasPrefix(e.Message, "no such page"):
		// A page that every sidecar has on its main door.
		e.Message = fmt.Sprintf("%s is not the main door of a sidecar: give what it has as --web.listen-address with --url or OUTRIDER_URL", at)
	case e.Message == "":
		e.Message = fmt.Sprintf("the sidecar at %s answers %s", at, resp.Status)
	}
	return e
}

// strangerError is for an answer that no sidecar gives.
func (c *Client) strangerError(what string) error {
	return fmt.Errorf("what answers at %s is not a sidecar: %s", c.base.Redacted(), what)
}

func isJSON(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json")
}

// shownText is how much is shown of a body that no sidecar sent.
const shownText = 300

// message takes the text out of {"error": text}. Of any other body it is the beginning.
func message(body []byte) string {
	var doc struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &doc) == nil && doc.Error != "" {
		return printable(doc.Error)
	}
	return strings.Join(strings.Fields(printable(string(body[:min(len(body), shownText)]))), " ")
}

// printable takes out what could drive the terminal that an error ends up on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, ""))
}
