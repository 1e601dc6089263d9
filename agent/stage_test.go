package agent

import (
	"context"
	"errors"
	"testing"
)

func TestStage(t *testing.T) {
	broken := errors.New("broken")
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name   string
		run    func(context.Context) error
		itself bool   // ends without being asked
		fail   string // what the others are told
	}{
		{"ends as asked", waits, false, ""},
		{"ends by itself with an error", func(context.Context) error { return broken }, true, "part: broken"},
		{"ends by itself without one", func(context.Context) error { return nil }, true, "part: ended without a reason"},
		{"fails while it ends", func(ctx context.Context) error { <-ctx.Done(); return broken }, false, "part: broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			failed, fail := context.WithCancelCause(t.Context())
			defer fail(nil)
			s := startStage(t.Context(), "part", tt.run, fail)
			if tt.itself {
				<-s.done
			}
			s.stop()
			got := ""
			if s.err != nil {
				got = s.err.Error()
				if context.Cause(failed).Error() != got {
					t.Errorf("others are told %v, not %q", context.Cause(failed), got)
				}
			}
			if got != tt.fail {
				t.Errorf("stage ended with %q, want %q", got, tt.fail)
			}
		})
	}
}
