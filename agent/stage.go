package agent

import (
	"context"
	"errors"
	"fmt"
)

// stage is one running part of the pipeline.
type stage struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // after done is closed
}

// startStage runs run in a goroutine of its own until stop is called or ctx is done. fail is
// told when it ends before that.
func startStage(ctx context.Context, name string, run func(context.Context) error, fail context.CancelCauseFunc) *stage {
	ctx, cancel := context.WithCancel(ctx)
	s := &stage{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		err := run(ctx)
		if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
			return // as asked
		}
		if err == nil {
			err = errors.New("ended without a reason")
		}
		s.err = fmt.Errorf("%s: %w", name, err)
		fail(s.err)
	}()
	return s
}

// stop ends the stage and waits for it.
func (s *stage) stop() {
	s.cancel()
	<-s.done
}
