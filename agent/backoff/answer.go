package backoff

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxRetryAfter bounds what a receiver may ask for: one that says "in a year" is asked again
// after this long all the same.
const maxRetryAfter = 5 * time.Minute

// RetryAfter reads the Retry-After header (RFC 9110, section 10.2.3: seconds or a date) and
// says whether there was one that can be read. The wait is never negative and never longer
// than five minutes.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	// Beyond the range of the type ParseUint returns the largest number of it.
	if s, err := strconv.ParseUint(v, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) {
		return min(time.Duration(s)*time.Second, maxRetryAfter), true
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter), true
	}
	return 0, false
}

const (
	shownBody = 1 << 10
	readBody  = 64 << 10
)

// DrainBody reads and closes the body of an answer, so that its connection can be used again,
// and returns the beginning of it as one printable line for an error message. A body that
// is longer than 64 KiB is left unread and costs the connection.
func DrainBody(resp *http.Response) string {
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, shownBody))
	_, _ = io.CopyN(io.Discard, resp.Body, readBody+1) // one more, to see the end
	line := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), ""))
	return strings.Join(strings.Fields(line), " ")
}
