package ratelog

import (
	"context"
	"hash/maphash"
	"log/slog"
	"slices"
	"time"
)

// DefaultEvery stands in for an interval of zero.
const DefaultEvery = time.Minute

// New returns a handler that passes records to next, but those at warn or above that say
// the same thing at most once in every interval. A record says the same as another if level
// and message are equal, and the values of the attributes target, endpoint, type, job and
// reason, and if their err attributes differ only in digits (ports, counts, offsets). Of one
// level, message and set of those values, eight different errors are told apart within an
// interval; further ones count as one.
//
// The first record that is passed again carries repeated=N for the N that were not, in the
// group that is open, if any. Handlers made by WithAttrs and WithGroup share the limit. The
// handler is safe for concurrent use if next is.
func New(next slog.Handler, every time.Duration) slog.Handler {
	if every <= 0 {
		every = DefaultEvery
	}
	return &handler{next: next, seed: maphash.MakeSeed(), limit: newLimiter(every)}
}

type handler struct {
	next  slog.Handler
	seed  maphash.Seed
	limit *limiter
	// attrs are those of WithAttrs that are part of the key.
	attrs []slog.Attr
}

// Enabled asks the next handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle passes the record on, unless it repeats one that was passed not long ago.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return h.next.Handle(ctx, r)
	}
	repeated, pass := h.limit.take(keyOf(h.seed, h.attrs, &r), time.Now())
	if !pass {
		return nil
	}
	if repeated > 0 {
		r = r.Clone() // records share attributes with copies of them
		r.AddAttrs(slog.Uint64("repeated", repeated))
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs returns a handler that shares the limit of this one.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h2 := *h
	h2.next = h.next.WithAttrs(attrs)
	h2.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		if isSubject(a.Key) || a.Key == errKey {
			h2.attrs = append(h2.attrs, a)
		}
	}
	return &h2
}

// WithGroup returns a handler that shares the limit of this one. Attributes in groups count
// like others: the name is what matters.
func (h *handler) WithGroup(name string) slog.Handler {
	h2 := *h
	h2.next = h.next.WithGroup(name)
	return &h2
}
