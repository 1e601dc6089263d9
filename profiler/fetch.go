package profiler

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"outrider/agent/backoff"
)

// fetch gets one profile over HTTP. It checks all that can be told without looking into
// the profile; the body is at most maxBody long. duration is zero for a snapshot.
func fetch(ctx context.Context, client *http.Client, base *url.URL, path string, duration, timeout time.Duration) ([]byte, error) {
	limit := duration + timeout
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	u := base.JoinPath(path)
	if duration > 0 {
		q := u.Query()
		q.Set("seconds", strconv.Itoa(int(duration/time.Second)))
		u.RawQuery = q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, failf(reasonNetwork, "make request: %w", err)
	}
	// A profile is compressed as it is; once more would only cost the service.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := client.Do(req)
	if err != nil {
		return nil, transferError(err, duration, limit)
	}
	if err := checkAnswer(resp); err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, transferError(err, duration, limit)
	case len(body) > maxBody:
		return nil, failf(reasonTooLarge, "the service sent more than %d MiB", maxBody>>20)
	}
	return body, nil
}

// checkAnswer returns an error, having closed the body, unless the answer may be a profile.
func checkAnswer(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		said := backoff.DrainBody(resp)
		switch {
		case strings.Contains(said, "cpu profiling already in use"):
			return &captureError{reasonBusy, ErrBusy}
		case resp.StatusCode == http.StatusNotFound && strings.Contains(said, "Unknown profile"):
			return failf(reasonNotServed, "the service has pprof but not this profile (%s answered 404: %s)", resp.Request.URL.Redacted(), said)
		case resp.StatusCode == http.StatusNotFound:
			return failf(reasonNotServed, "not served at %s: does the service import net/http/pprof, and on this port?", resp.Request.URL.Redacted())
		}
		return failf(reasonStatus, "the service answered %s: %s", resp.Status, said)
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		resp.Body.Close()
		return failf(reasonContent, "the service sent Content-Encoding %q, which was not asked for", encoding)
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media == "text/html" || media == "application/json" || strings.HasSuffix(media, "+json") {
		resp.Body.Close()
		return failf(reasonContent, "the service sent %s and not a profile: is %s the pprof of the service?", media, resp.Request.URL.Redacted())
	}
	if resp.ContentLength > maxBody {
		resp.Body.Close()
		return failf(reasonTooLarge, "the service announced %d MiB; the limit is %d MiB", resp.ContentLength>>20, maxBody>>20)
	}
	return nil
}

// transferError says why no whole answer came.
func transferError(err error, duration, limit time.Duration) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return failf(reasonTimeout, "no whole answer within %s: %w", limit, err)
	case endedEarly(err) && duration > 0:
		return failf(reasonTruncated, "the service ended its answer early (stopped, or is the WriteTimeout of its server shorter than %s?): %w", duration, err)
	case endedEarly(err):
		return failf(reasonTruncated, "the service ended its answer early: %w", err)
	}
	return failf(reasonNetwork, "get profile: %w", err)
}

func endedEarly(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}
