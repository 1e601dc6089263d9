package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"outrider/demo/internal/stack"
)

const (
	// backlogSpan is how old the oldest scrape of the backlog is; there is one each second.
	backlogSpan = 3 * time.Hour
	// oldWindow is how old samples a Prometheus 2.42 takes here. It answers 500 to older ones.
	oldWindow = time.Hour
	// mostUntilRecent is how soon after the start of the sidecar recent data must flow.
	mostUntilRecent = time.Minute
)

// receiver is a server that a backlog goes to.
type receiver struct {
	url string
	// newest is the time of the newest body of the target that it has.
	newest func(ctx context.Context) (time.Time, error)
	// bodies is how many bodies of the target it has.
	bodies func(ctx context.Context) (int, error)
	close  func()
}

// backlogs are what the case tries.
func (b *bench) backlogs() []backlogTry {
	all := []backlogTry{
		{"Prometheus 3, 1.0", stack.MessageV1, b.newPrometheus, false, false},
		{"Prometheus 3, 2.0", stack.MessageV2, b.newPrometheus, false, true},
		{"Prometheus 3 that has newer samples of the series, 1.0", stack.MessageV1, b.newPrometheus, true, false},
		{"Prometheus 2.42, 1.0", stack.MessageV1, b.oldPrometheus, false, true},
		{"Prometheus 2.42, 2.0", stack.MessageV2, b.oldPrometheus, false, false},
	}
	if !b.Short {
		return all
	}
	var short []backlogTry
	for _, t := range all {
		if t.short {
			short = append(short, t)
		}
	}
	return short
}

type backlogTry struct {
	name    string
	message string
	start   func(ctx context.Context, dir string) (*receiver, error)
	newer   bool // the receiver has a newer sample of each series already
	short   bool // is in the short campaign
}

// runBacklog starts the sidecar on a spool of three hours, most of which the receiver finds too
// old, and wants recent data within a minute.
func runBacklog(ctx context.Context, b *bench) error {
	if b.OldPrometheus == "" {
		b.say("no Prometheus 2.42 was named: a double answers as one does")
	}
	tries := b.backlogs()
	return inTurn(2).each(len(tries), func(i int) error {
		return b.backlog(ctx, tries[i], fmt.Sprint(i))
	})
}

func (b *bench) backlog(ctx context.Context, try backlogTry, dir string) error {
	to, err := try.start(ctx, filepath.Join(b.dir, dir))
	if err != nil {
		return err
	}
	defer to.close()
	return b.withRig(dir, setup{
		message: try.message, interval: time.Second, targets: 1, shape: shape{values: 50}, writeURL: to.url,
	}, func(r *rig) error {
		n, err := r.seed(ctx, time.Now().Add(-backlogSpan), time.Now().Add(-2*time.Second), time.Second)
		if err != nil {
			return err
		}
		if try.newer {
			if err := r.pushNow(ctx, to.url); err != nil {
				return err
			}
		}
		began := time.Now()
		if err := r.start(ctx); err != nil {
			return err
		}
		took := time.Duration(0)
		err = until(ctx, mostUntilRecent+10*time.Second, func() error {
			newest, err := to.newest(ctx)
			if err == nil && newest.Before(began) {
				err = fmt.Errorf("the newest is of %s", newest.Format(time.TimeOnly))
			}
			took = time.Since(began)
			return err
		})
		got := took.Round(100 * time.Millisecond).String()
		if err != nil {
			got = "not yet after " + got
		}
		b.want(err == nil && took <= mostUntilRecent, try.name+": until recent data flowed", "at most "+mostUntilRecent.String(), "%s", got)
		if err != nil {
			b.tell(try.name+": meanwhile", "%v", b.lostSoFar(r))
			return nil
		}

		// Recent data goes on flowing, and the books add up.
		if err := r.flush(ctx, mostUntilRecent); err != nil {
			return err
		}
		f, err := r.flow(ctx)
		if err != nil {
			return err
		}
		stored, err := to.bodies(ctx)
		if err != nil {
			return err
		}
		b.tell(try.name+": backlog", "%d scrapes; %d bodies stored with those since; of all samples %.0f delivered, %.0f dropped (%s), %.0f in quarantine",
			n, stored, f.delivered, f.dropped, f.reasons, f.quarantined)
		return r.stop(ctx)
	})
}

// newPrometheus starts a Prometheus 3 that takes nothing out of order. What it scrapes itself
// is of now.
func (b *bench) newPrometheus(ctx context.Context, dir string) (*receiver, error) {
	return b.realReceiver(ctx, b.Prometheus, dir, 0)
}

// oldPrometheus starts a Prometheus 2.42, or what answers like one.
func (b *bench) oldPrometheus(ctx context.Context, dir string) (*receiver, error) {
	if b.OldPrometheus != "" {
		return b.realReceiver(ctx, b.OldPrometheus, dir, oldWindow)
	}
	s, err := newSink(5*time.Second, 1)
	if err != nil {
		return nil, err
	}
	s.reply((&oldDouble{newest: time.Now().UnixMilli()}).answer)
	return &receiver{
		url: s.URL,
		newest: func(context.Context) (time.Time, error) {
			return time.UnixMilli(s.newestOf("t0", seriesBody)), nil
		},
		bodies: func(context.Context) (int, error) { return s.bodies("t0"), nil },
		close:  s.close,
	}, nil
}

// oldDouble answers as Prometheus 2.42 does that takes samples of the last hour: 500 for an
// older one, of whose request it stores nothing, and 204 for 2.0, of which it stores nothing.
type oldDouble struct {
	mu     sync.Mutex
	newest int64
}

func (d *oldDouble) answer(r request) reply {
	if r.v2 {
		return deaf(r)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range r.samples {
		if s.timeMs < d.newest-oldWindow.Milliseconds() {
			return reply{status: http.StatusInternalServerError, body: "too old sample"}
		}
	}
	for _, s := range r.samples {
		d.newest = max(d.newest, s.timeMs)
	}
	return taken(r)
}

func (b *bench) realReceiver(ctx context.Context, binary, dir string, outOfOrder time.Duration) (*receiver, error) {
	prom, err := b.prometheus(ctx, binary, dir, outOfOrder)
	if err != nil {
		return nil, err
	}
	err = until(ctx, 20*time.Second, func() error {
		v, err := prom.Scalar(ctx, `count(up{job="self"} == 1)`)
		if err == nil && v != 1 {
			err = errors.New("no scrape of itself yet")
		}
		return err
	})
	if err != nil {
		prom.Kill()
		return nil, err
	}
	return &receiver{
		url: prom.WriteURL(),
		newest: func(ctx context.Context) (time.Time, error) {
			v, err := prom.Scalar(ctx, fmt.Sprintf(`timestamp(%s{target="t0"})`, seriesBody))
			return time.UnixMilli(int64(v * 1000)), err
		},
		bodies: func(ctx context.Context) (int, error) {
			v, err := prom.Scalar(ctx, fmt.Sprintf(`count_over_time(%s{target="t0"}[4h])`, seriesBody))
			return int(v), err
		},
		close: prom.Kill,
	}, nil
}
