package console

import (
	"context"
	"log/slog"
	"strings"
)

// atLeastWarn drops what is less severe than a warning.
type atLeastWarn struct{ slog.Handler }

func (h atLeastWarn) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

func (h atLeastWarn) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeastWarn{h.Handler.WithAttrs(attrs)}
}

func (h atLeastWarn) WithGroup(name string) slog.Handler {
	return atLeastWarn{h.Handler.WithGroup(name)}
}

// serverLog takes the lines that net/http writes by itself. A handler that panicked is our
// bug; the rest (broken handshakes, port scans) is noise that others make.
type serverLog struct{ slog.Handler }

func (h serverLog) Enabled(context.Context, slog.Level) bool { return true }

func (h serverLog) Handle(ctx context.Context, r slog.Record) error {
	level, message := slog.LevelDebug, "http server"
	if strings.HasPrefix(r.Message, "http: panic serving") {
		level, message = slog.LevelError, "handler panicked"
	}
	if !h.Handler.Enabled(ctx, level) {
		return nil
	}
	out := slog.NewRecord(r.Time, level, message, 0)
	out.AddAttrs(slog.String("err", r.Message))
	return h.Handler.Handle(ctx, out)
}
