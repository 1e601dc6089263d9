package remotewrite

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// verdict is what an answer means for the request.
type verdict int

const (
	delivered     verdict = iota // accepted
	passing                      // the same request may be accepted later
	notUnderstood                // a 2.0 request at a receiver that does not speak it
	tooLarge                     // smaller requests may be accepted
	tooOld                       // some or all samples are older than the receiver takes
	badExemplars                 // some or all exemplars will never be accepted
	poison                       // some or all samples will never be accepted
	misconfigured                // the endpoint takes nothing from us, whatever it is
)

// answer is what came of one try to send a request.
type answer struct {
	verdict    verdict
	status     int    // 0 where no answer came
	reason     string // in one word, for metrics: a status code, network, timeout
	err        error  // nil when delivered
	retryAfter time.Duration
	written    written
}

// written is what a receiver says that it has written.
type written struct {
	said       bool // by at least one header: it speaks 2.0
	floats     int
	histograms int
}

// statusError is the answer of a receiver that did not accept a request.
type statusError struct {
	status int
	body   string // the beginning of it, as one line
}

func (e *statusError) Error() string {
	if e.body == "" {
		return "server answered " + statusLine(e.status)
	}
	return fmt.Sprintf("server answered %s: %s", statusLine(e.status), e.body)
}

// statusLine renders a status, and nothing where there is none.
func statusLine(status int) string {
	if status == 0 {
		return ""
	}
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// classify says what a status and the text of an answer mean for a request.
func classify(r record, status int, body string, w written) verdict {
	switch {
	case status/100 == 2:
		// Receivers that do not know 2.0 read such a request as an empty one of 1.0 and
		// accept it. Only the headers tell.
		if r.message == v2 && !w.said {
			return notUnderstood
		}
		return delivered
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return passing
	case status == http.StatusRequestEntityTooLarge:
		return tooLarge
	case status == http.StatusUnsupportedMediaType && r.message == v2:
		return notUnderstood
	case status == http.StatusBadRequest, status == http.StatusInternalServerError,
		status == http.StatusConflict, status == http.StatusUnprocessableEntity:
		return classifyRefusal(r, status, strings.ToLower(body))
	case status/100 == 5:
		return passing
	}
	// Redirects that were not followed, and all other client errors: 401, 403, 404, ...
	return misconfigured
}

// classifyRefusal looks at what is said of the samples. Prometheus 2.42 says with 500 what
// later ones say with 400, and would be asked for ever; Thanos says it with 409.
func classifyRefusal(r record, status int, body string) verdict {
	if !says(body, "too far in the future") && says(body, "too old sample", "out of bounds", "timestamp-too-old") {
		return tooOld
	}
	if status == http.StatusInternalServerError &&
		!says(body, "out of order sample", "duplicate sample for timestamp", "out of bounds", "invalid sample") {
		return passing
	}
	if r.counts.exemplars > 0 && says(body, "exemplar") {
		return badExemplars
	}
	return poison
}

func says(body string, texts ...string) bool {
	for _, t := range texts {
		if strings.Contains(body, t) {
			return true
		}
	}
	return false
}

// The headers by which a receiver of 2.0 says what it wrote.
const (
	headerSamplesWritten    = "X-Prometheus-Remote-Write-Samples-Written"
	headerHistogramsWritten = "X-Prometheus-Remote-Write-Histograms-Written"
	headerExemplarsWritten  = "X-Prometheus-Remote-Write-Exemplars-Written"
)

func readWritten(h http.Header) written {
	floats, a := readCount(h, headerSamplesWritten)
	histograms, b := readCount(h, headerHistogramsWritten)
	_, c := readCount(h, headerExemplarsWritten)
	return written{said: a || b || c, floats: floats, histograms: histograms}
}

func readCount(h http.Header, name string) (int, bool) {
	v := h.Get(name)
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, v != ""
	}
	return n, true
}

// missing is how many samples of a request the receiver says that it did not write. An
// exemplar that is not written is no loss: many receivers store none. On a request of 1.0 the
// headers mean nothing: there are receivers that always send zeros then.
func (w written) missing(r record) int {
	if !w.said || r.message != v2 {
		return 0
	}
	return max(0, r.counts.floats-w.floats) + max(0, r.counts.histograms-w.histograms)
}
