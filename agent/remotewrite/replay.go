package remotewrite

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"time"

	"outrider/agent/backoff"
	"outrider/agent/spool"
)

// QuarantineSuffix ends the names of files in quarantine.
const QuarantineSuffix = quarantineSuffix

// Request is one that waits in a spool or was put in quarantine, for commands that look at it
// or send it by hand.
type Request struct {
	Samples      int
	MinMs, MaxMs int64  // of the samples, milliseconds since the epoch
	Reason       string // why a receiver refused it; empty for one from a spool

	record record
}

// Message is what it is made of: MessageV1 or MessageV2.
func (r Request) Message() string { return r.record.message.String() }

// ReadSpooled reads a record of a spool. The request is valid as long as the record.
func ReadSpooled(from spool.Record) (Request, error) {
	r, err := readRecord(from)
	if err != nil {
		return Request{}, err
	}
	return Request{Samples: r.counts.samples(), MinMs: r.minMs, MaxMs: r.maxMs, record: r}, nil
}

// ReadQuarantined reads a file of the quarantine.
func ReadQuarantined(file []byte) (Request, error) {
	br := bufio.NewReader(bytes.NewReader(file))
	h, err := textproto.NewReader(br).ReadMIMEHeader()
	if err != nil {
		return Request{}, fmt.Errorf("read headers: %w", err)
	}
	m, ok := messageOf(h.Get("Message"))
	if !ok || h.Get("Message") == "" {
		return Request{}, fmt.Errorf("message %q is neither %s nor %s", h.Get("Message"), MessageV1, MessageV2)
	}
	r := record{message: m}
	if r.data, err = io.ReadAll(br); err != nil {
		return Request{}, fmt.Errorf("read body: %w", err)
	}
	all, err := decode(r)
	if err != nil {
		return Request{}, err
	}
	sp := newSpan()
	for i := range all {
		sp.join(all[i].span())
	}
	r.counts, r.minMs, r.maxMs = sumCounts(all), sp.minMs, sp.maxMs
	reason, err := strconv.Unquote(h.Get("Reason"))
	if err != nil {
		reason = h.Get("Reason")
	}
	return Request{Samples: r.counts.samples(), MinMs: r.minMs, MaxMs: r.maxMs, Reason: reason, record: r}, nil
}

// Replayer sends requests again.
type Replayer struct {
	client *client
	v1     bool // the receiver does not understand 2.0
}

// NewReplayer returns one for the receiver that cfg names.
func NewReplayer(cfg *Config, userAgent string) (*Replayer, error) {
	if cfg.URL == nil || cfg.URL.URL == nil || cfg.URL.Host == "" {
		return nil, errors.New("url is missing")
	}
	c, err := newClient(cfg, "replay", userAgent)
	if err != nil {
		return nil, err
	}
	return &Replayer{client: c}, nil
}

// Close gives connections back.
func (p *Replayer) Close() { p.client.http.CloseIdleConnections() }

// RefusedError says that a receiver will not take a request however often it is sent.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// Send sends a request until there is an answer that waiting does not change; meanwhile waits
// is told why it is sent again. The error is a RefusedError, what kept the receiver from taking
// anything, or, when ctx is done first, both its and the last answer.
func (p *Replayer) Send(ctx context.Context, r Request, waits func(error)) error {
	pause := backoff.Backoff{Min: 500 * time.Millisecond, Max: 30 * time.Second}
	for attempt := 0; ; attempt++ {
		rec := r.record
		if p.v1 && rec.message == v2 {
			all, err := decode(rec)
			if err != nil {
				return &RefusedError{err}
			}
			rec = encodeSeries(all, v1, rec.queued)
		}
		a := p.client.post(ctx, rec, attempt)
		switch a.verdict {
		case delivered:
			return nil
		case notUnderstood:
			p.v1 = true
			continue
		case misconfigured:
			return a.err
		case passing:
		default:
			return &RefusedError{a.err}
		}
		if ctx.Err() == nil {
			waits(a.err)
		}
		if err := backoff.Sleep(ctx, max(pause.Next(), a.retryAfter)); err != nil {
			return fmt.Errorf("%w; last answer: %w", context.Cause(ctx), a.err)
		}
	}
}
