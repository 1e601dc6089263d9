package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"outrider/agent/ratelog"
)

type logFlags struct{ level, format string }

func addLogFlags(cmd *kingpin.CmdClause) *logFlags {
	f := &logFlags{}
	cmd.Flag("log.level", "Least severe messages to print: debug, info, warn, error.").
		Default("info").EnumVar(&f.level, "debug", "info", "warn", "error")
	cmd.Flag("log.format", "logfmt or json.").
		Default("logfmt").EnumVar(&f.format, "logfmt", "json")
	return f
}

// logger writes to w. Warnings that repeat themselves are held back for a minute and counted.
func (f *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, fmt.Errorf("--log.level: %w", err)
	}
	opts := &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) > 0 {
				return a
			}
			switch a.Key {
			case slog.TimeKey:
				return slog.String("ts", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
			case slog.LevelKey:
				return slog.String("level", strings.ToLower(a.Value.String()))
			}
			return a
		},
	}
	var h slog.Handler = slog.NewTextHandler(w, opts)
	if f.format == "json" {
		h = slog.NewJSONHandler(w, opts)
	}
	return slog.New(ratelog.New(h, ratelog.DefaultEvery)), nil
}
