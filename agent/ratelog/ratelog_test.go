package ratelog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newText returns a logger under the limit of a minute, and what it wrote, as lines.
func newText() (logger *slog.Logger, lines func() []string) {
	var buf bytes.Buffer
	h := slog.NewTextHandler(&buf, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	return slog.New(New(h, time.Minute)), func() []string {
		defer buf.Reset()
		return strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n")
	}
}

func TestWhatRepeats(t *testing.T) {
	errText := func(s string) slog.Attr { return slog.Any("err", errors.New(s)) }
	tests := map[string]struct {
		log  func(l *slog.Logger)
		want []string
	}{
		"info passes": {
			func(l *slog.Logger) { l.Info("m"); l.Info("m") },
			[]string{"level=INFO msg=m", "level=INFO msg=m"},
		},
		"same message": {
			func(l *slog.Logger) { l.Warn("m"); l.Warn("m"); l.Error("m"); l.Warn("n") },
			[]string{"level=WARN msg=m", "level=ERROR msg=m", "level=WARN msg=n"},
		},
		"other attributes do not tell apart": {
			func(l *slog.Logger) { l.Warn("m", "n", 1); l.Warn("m", "n", 2) },
			[]string{"level=WARN msg=m n=1"},
		},
		"each subject": {
			func(l *slog.Logger) {
				for range 2 {
					for _, key := range []string{"target", "endpoint", "type", "job", "reason"} {
						l.Warn("m", key, "a")
						l.Warn("m", key, "b")
					}
				}
			},
			[]string{
				"level=WARN msg=m target=a", "level=WARN msg=m target=b",
				"level=WARN msg=m endpoint=a", "level=WARN msg=m endpoint=b",
				"level=WARN msg=m type=a", "level=WARN msg=m type=b",
				"level=WARN msg=m job=a", "level=WARN msg=m job=b",
				"level=WARN msg=m reason=a", "level=WARN msg=m reason=b",
			},
		},
		"a value is not its neighbour": {
			func(l *slog.Logger) { l.Warn("m", "job", "a", "type", "b"); l.Warn("m", "job", "ab", "type", "") },
			[]string{"level=WARN msg=m job=a type=b", `level=WARN msg=m job=ab type=""`},
		},
		"digits of an error do not tell apart": {
			func(l *slog.Logger) {
				l.LogAttrs(context.Background(), slog.LevelWarn, "m", errText("read :41001: reset"))
				l.LogAttrs(context.Background(), slog.LevelWarn, "m", errText("read :7: reset"))
				l.LogAttrs(context.Background(), slog.LevelWarn, "m", errText("read :: reset"))
				l.LogAttrs(context.Background(), slog.LevelWarn, "m", errText("connection refused"))
			},
			[]string{
				`level=WARN msg=m err="read :41001: reset"`,
				`level=WARN msg=m err="read :: reset"`,
				`level=WARN msg=m err="connection refused"`,
			},
		},
		"the end of a long error does not tell apart": {
			func(l *slog.Logger) {
				l.LogAttrs(context.Background(), slog.LevelWarn, "m", errText(strings.Repeat("x", maxErr)+"a"))
				l.LogAttrs(context.Background(), slog.LevelWarn, "m", errText(strings.Repeat("x", maxErr)+"b"))
			},
			[]string{"level=WARN msg=m err=" + strings.Repeat("x", maxErr) + "a"},
		},
		"attributes of the logger": {
			func(l *slog.Logger) {
				a, b := l.With("target", "a", "n", 1), l.With("target", "b")
				for range 2 {
					a.Warn("m")
					a.With("type", "cpu").Warn("m")
					a.With("type", "heap").Warn("m")
					a.With("n", 2).Warn("m")
					b.Warn("m")
				}
				l.With(errText("x 1")).Warn("w")
				l.With(errText("x 2")).Warn("w")
			},
			[]string{
				"level=WARN msg=m target=a n=1",
				"level=WARN msg=m target=a n=1 type=cpu",
				"level=WARN msg=m target=a n=1 type=heap",
				"level=WARN msg=m target=b",
				`level=WARN msg=w err="x 1"`,
			},
		},
		"loggers made of one": {
			func(l *slog.Logger) {
				parent := l.With("reason", "a").With("job", "b").With("type", "c")
				x, y := parent.With("target", "x"), parent.With("target", "y")
				x.Warn("m")
				y.Warn("m")
			},
			[]string{
				"level=WARN msg=m reason=a job=b type=c target=x",
				"level=WARN msg=m reason=a job=b type=c target=y",
			},
		},
		"groups": {
			func(l *slog.Logger) {
				g := l.WithGroup("g")
				g.Warn("m", "target", "a")
				g.Warn("m", "target", "b")
				g.With("target", "a").Warn("m")
			},
			[]string{"level=WARN msg=m g.target=a", "level=WARN msg=m g.target=b"},
		},
		"values that resolve": {
			func(l *slog.Logger) { l.Warn("m", "target", valuer{"a"}); l.Warn("m", "target", "a") },
			[]string{"level=WARN msg=m target=a"},
		},
		"an error that panics": {
			func(l *slog.Logger) { l.Warn("m", "err", (*nilErr)(nil)); l.Warn("n") },
			[]string{"level=WARN msg=m err=<nil>", "level=WARN msg=n"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			logger, lines := newText()
			tt.log(logger)
			if diff := cmp.Diff(tt.want, lines()); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

type valuer struct{ text string }

func (v valuer) LogValue() slog.Value { return slog.StringValue(v.text) }

type nilErr struct{ text string }

func (e *nilErr) Error() string { return e.text }

func TestRepeatedIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, lines := newText()
		refused := logger.With("target", "a").WithGroup("g")
		for range 61 {
			refused.Warn("m", "n", 1)
			time.Sleep(time.Second)
		}
		// An interval without a record ends the count all the same.
		refused.Warn("m", "n", 2)
		time.Sleep(time.Hour)
		refused.Warn("m", "n", 3)
		time.Sleep(time.Hour)
		refused.Warn("m", "n", 4)
		want := []string{
			"level=WARN msg=m target=a g.n=1",
			"level=WARN msg=m target=a g.n=1 g.repeated=59",
			"level=WARN msg=m target=a g.n=3 g.repeated=1",
			"level=WARN msg=m target=a g.n=4",
		}
		if diff := cmp.Diff(want, lines()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

// A record may share the memory of its attributes with a copy that somebody else holds.
func TestRecordIsNotChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(slog.DiscardHandler, time.Minute)
		r := slog.NewRecord(time.Now(), slog.LevelWarn, "m", 0)
		for i := range 8 { // more than a record holds inline, with room to append
			r.AddAttrs(slog.Int("n", i))
		}
		for range 2 {
			_ = h.Handle(t.Context(), r)
		}
		time.Sleep(time.Minute)
		_ = h.Handle(t.Context(), r)
		r.AddAttrs(slog.Int("n", 8)) // slog marks a record that was written to through a copy
		r.Attrs(func(a slog.Attr) bool {
			if a.Key != "n" {
				t.Errorf("the record now carries %s", a)
			}
			return true
		})
	})
}

func TestErrorsOfOneSubjectAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, lines := newText()
		flood := func() {
			for i := range 100 {
				logger.Warn("m", "err", strings.Repeat("x", i))
			}
		}
		flood()
		if got := len(lines()); got != maxKinds+1 {
			t.Errorf("%d of 100 different errors passed, want %d", got, maxKinds+1)
		}
		time.Sleep(time.Minute)
		logger.Warn("m", "err", "new")
		if diff := cmp.Diff([]string{"level=WARN msg=m err=new"}, lines()); diff != "" {
			t.Errorf("lines of a new error (-want +got):\n%s", diff)
		}
		flood()
		if got := len(lines()); got != maxKinds {
			t.Errorf("%d of 100 different errors passed beside another, want %d", got, maxKinds)
		}
	})
}

func TestSubjectsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var passed atomic.Int64
		h := New(counter{&passed}, time.Minute)
		logger := slog.New(h)
		log := func(from, n int) int64 {
			passed.Store(0)
			for i := range n {
				logger.Warn("m", "target", from+i)
			}
			return passed.Load()
		}
		log(0, 10)
		time.Sleep(time.Minute)
		log(10, maxSubjects-10)
		// Full. The first ten are forgotten first, so that the others still are limited.
		if got := log(maxSubjects, 1); got != 1 {
			t.Errorf("%d records of a new subject passed, want 1", got)
		}
		if got := log(10, maxSubjects-10); got != 0 {
			t.Errorf("%d records of subjects within their interval passed, want 0", got)
		}
		log(2*maxSubjects, 100*maxSubjects)
		if got := len(h.(*handler).limit.subjects); got > maxSubjects {
			t.Errorf("%d subjects are remembered, want at most %d", got, maxSubjects)
		}
	})
}

// counter is a handler that counts records.
type counter struct{ n *atomic.Int64 }

func (c counter) Enabled(context.Context, slog.Level) bool  { return true }
func (c counter) Handle(context.Context, slog.Record) error { c.n.Add(1); return nil }
func (c counter) WithAttrs([]slog.Attr) slog.Handler        { return c }
func (c counter) WithGroup(string) slog.Handler             { return c }

func TestConcurrentUse(t *testing.T) {
	var passed atomic.Int64
	logger := slog.New(New(counter{&passed}, time.Hour))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				logger.With("target", i%10).Warn("m", "err", fmt.Sprintf("no %d", i))
			}
		})
	}
	wg.Wait()
	if got := passed.Load(); got != 10 {
		t.Errorf("%d records passed, want 10", got)
	}
}

// raised logs everything as a warning, so that what slogtest logs at info takes the limited way.
type raised struct{ slog.Handler }

func (r raised) Handle(ctx context.Context, rec slog.Record) error {
	rec.Level = slog.LevelWarn
	return r.Handler.Handle(ctx, rec)
}
func (r raised) WithAttrs(as []slog.Attr) slog.Handler { return raised{r.Handler.WithAttrs(as)} }
func (r raised) WithGroup(name string) slog.Handler    { return raised{r.Handler.WithGroup(name)} }

func TestHandlerContract(t *testing.T) {
	var buf bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		buf.Reset()
		return raised{New(slog.NewJSONHandler(&buf, nil), time.Minute)}
	}, func(t *testing.T) map[string]any {
		m := map[string]any{}
		if err := json.Unmarshal(buf.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		return m
	})
}

func TestPassingInfoAllocatesNothing(t *testing.T) {
	ctx := t.Context()
	h := New(slog.DiscardHandler, time.Minute)
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "m", 0)
	r.AddAttrs(slog.String("target", "a"))
	if n := testing.AllocsPerRun(100, func() { _ = h.Handle(ctx, r) }); n > 0 {
		t.Errorf("%v allocations for a record at info, want 0", n)
	}
}

func BenchmarkWarnSwallowed(b *testing.B) {
	logger := slog.New(New(counter{new(atomic.Int64)}, time.Hour)).With("target", "a")
	err := errors.New("dial tcp 127.0.0.1:8080: connect: connection refused")
	b.ReportAllocs()
	for b.Loop() {
		logger.Warn("scrape failed", "job", "checkout", "err", err)
	}
}
