package pyroscope

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// verdict is what an answer means for a profile.
type verdict int

const (
	delivered     verdict = iota // accepted
	passing                      // the server cannot take anything just now
	misconfigured                // the endpoint takes nothing from us, whatever it is
	limited                      // a rate limit, which this profile may be too large ever to pass
	suspect                      // the profile or the server is broken: the answer is the same
	rejected                     // this profile will never be accepted
	expired                      // it is too old, or its clock is wrong
	tooLarge                     // it is larger than the server takes
)

// answer is what came of one try to push a profile.
type answer struct {
	verdict    verdict
	status     int    // 0 where no answer came
	reason     string // in one word, for metrics: a status code, network, timeout
	err        error  // nil when delivered
	retryAfter time.Duration
}

// refusal is the answer of a server that did not accept a profile.
type refusal struct {
	status  int
	code    string // of the connect protocol; empty where the server did not send one
	message string
}

func (r *refusal) Error() string {
	text := "server answered " + statusLine(r.status)
	if r.code != "" {
		text += " (" + r.code + ")"
	}
	if r.message != "" {
		text += ": " + r.message
	}
	return text
}

// statusLine renders a status, and nothing where there is none.
func statusLine(status int) string {
	if status == 0 {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// readRefusal takes the error of the connect protocol out of a body. What is not one, such as
// the page of a proxy, is the message as it is.
func readRefusal(status int, body string) *refusal {
	var e struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal([]byte(body), &e) == nil && e.Code != "" {
		return &refusal{status, e.Code, e.Message}
	}
	return &refusal{status: status, message: body}
}

// classify says what a refusal means.
func classify(r *refusal) verdict {
	switch r.status {
	case http.StatusRequestTimeout, http.StatusConflict, statusClientClosed:
		return passing // 409 is "aborted", 499 "canceled": the same again may pass
	case http.StatusTooManyRequests:
		return limited
	case http.StatusRequestEntityTooLarge:
		return tooLarge
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusProxyAuthRequired, http.StatusMisdirectedRequest:
		return misconfigured
	case http.StatusNotImplemented:
		return rejected
	}
	switch {
	case r.status == http.StatusInternalServerError && r.code == "unknown" && !fromWithin(r.message):
		return suspect
	case r.status/100 == 5:
		return passing
	case r.status/100 != 4:
		return misconfigured // a redirect that leads away from a push API
	case strings.Contains(r.message, "outside of ingestion window"):
		return expired
	case strings.Contains(r.message, "size exceeds limit"), strings.Contains(r.message, "exceeds the size limit"):
		return tooLarge
	}
	return rejected
}

// fromWithin says whether a message is an error of a part of the server that was not there,
// such as while it starts, and which the part that answers does not know how to pass on.
func fromWithin(message string) bool {
	for _, code := range []string{"Unavailable", "DeadlineExceeded", "Canceled", "Aborted"} {
		if strings.Contains(message, "rpc error: code = "+code) {
			return true
		}
	}
	return false
}

// statusClientClosed is what the connect protocol sends for a request that the server's
// side cancelled. It has no name in net/http.
const statusClientClosed = 499
