package scrape

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"outrider/telemetry"
)

// loop scrapes one target until it is stopped. All but update, scrapeNow and Status runs in
// the goroutine of run.
type loop struct {
	logger  *slog.Logger
	metrics *jobMetrics
	sink    telemetry.Sink
	now     func() time.Time // the wall clock; intervals are measured by another
	place   uint64           // see untilTick
	turns   turns

	changed chan struct{} // pending was set
	extra   chan *extraScrape
	done    chan struct{}

	// Of the manager: what was applied last, and what ends run, nil before it was started.
	applied *settings
	stop    context.CancelFunc

	mu      sync.Mutex
	pending *settings // nil: none
	status  telemetry.TargetStatus

	set   *settings
	state *state
	clock clock
	buf   buffer
}

// extraScrape asks for one scrape outside of the interval.
type extraScrape struct {
	ctx  context.Context
	cut  bool // short, by ctx or the end of the loop; valid once done is closed
	done chan struct{}
}

// newLoop makes a loop whose samples will all be newer than lastMs.
func (m *Manager) newLoop(set *settings, lastMs int64) *loop {
	l := &loop{
		logger:  m.logger.With("target", set.target.Name(), "job", set.job.Name),
		metrics: m.metrics.of(set.job.Name),
		sink:    m.sink,
		now:     m.now,
		place:   m.place,
		turns:   m.turns,
		changed: make(chan struct{}, 1),
		extra:   make(chan *extraScrape),
		done:    make(chan struct{}),
		status:  telemetry.TargetStatus{Target: set.target, Health: telemetry.HealthUnknown, Interval: set.interval},
		applied: set,
		set:     set,
		state:   newState(set.rules),
		clock:   clock{lastMs: lastMs},
	}
	l.buf.follow = l.state.follow
	return l
}

// run scrapes until ctx is done, then ends all series of the target and closes its connection.
func (l *loop) run(ctx context.Context) {
	defer close(l.done)
	defer l.finish()
	next := l.firstTick()
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	swap := func() {
		if l.swap() {
			next = l.firstTick()
			timer.Reset(time.Until(next))
		}
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-l.changed:
			swap()
		case e := <-l.extra:
			swap() // a flush after a reload goes by the new configuration
			l.scrapeExtra(ctx, e)
		case <-timer.C:
			l.scrape(ctx)
			next = l.tickAfter(next)
			timer.Reset(time.Until(next))
		}
	}
}

func (l *loop) firstTick() time.Time {
	return time.Now().Add(untilTick(l.now(), l.set.interval, l.place))
}

// tickAfter returns the next tick to wait for. One that is already due is made up for at
// once; those before it are lost.
func (l *loop) tickAfter(tick time.Time) time.Time {
	tick = tick.Add(l.set.interval)
	if missed := time.Since(tick) / l.set.interval; missed > 0 {
		tick = tick.Add(missed * l.set.interval)
		l.metrics.skip(skippedOverrun, int(missed))
		l.logger.Warn("scrapes skipped because the one before took too long", "count", int64(missed))
	}
	return tick
}

// update has the loop go by other settings from its next scrape on.
func (l *loop) update(set *settings) {
	l.applied = set
	l.mu.Lock()
	l.pending = set
	l.status.Target, l.status.Interval = set.target, set.interval
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// swap takes the pending settings and says whether the interval is another. What is known of
// the target stays: series that go on get no markers.
func (l *loop) swap() (newInterval bool) {
	l.mu.Lock()
	set := l.pending
	l.pending = nil
	l.mu.Unlock()
	if set == nil {
		return false
	}
	old := l.set
	l.set = set
	if !old.job.same(&set.job) {
		l.state.setRules(set.rules)
	}
	if old.client != nil && old.client != set.client {
		old.client.CloseIdleConnections()
	}
	return old.interval != set.interval
}

// scrapeNow has the loop make one scrape, after the one it may be at, and waits for it. It
// returns early with the error of ctx, and then cuts that scrape short.
func (l *loop) scrapeNow(ctx context.Context) error {
	e := &extraScrape{ctx: ctx, done: make(chan struct{})}
	select {
	case l.extra <- e:
	case <-l.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	<-e.done
	if e.cut {
		return ctx.Err()
	}
	return nil
}

func (l *loop) scrapeExtra(ctx context.Context, e *extraScrape) {
	defer close(e.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	e.cut = !l.scrape(ctx)
}

// scrape makes one scrape and delivers it. One that is cut short by ctx says nothing about
// the target: it leaves no trace, and scrape returns false.
func (l *loop) scrape(ctx context.Context) bool {
	set := l.set
	endTurn := l.turns.wait(ctx)
	wall, start := l.now(), time.Now()
	body, contentType, err := set.source.fetch(ctx, &l.buf)
	endTurn()
	if ctx.Err() != nil {
		return false
	}
	ms, back, step := l.clock.stamp(wall, set.interval)
	st := l.state
	switch step {
	case stepFollow:
		l.logger.Warn("clock was set back, following it; receivers may refuse samples until the former time has come again", "by", back)
		st.forgetTimes()
	case stepBack:
		st = newState(set.rules) // what is not delivered must not count as known
		if err == nil && l.buf.followed {
			body, l.buf.followed = l.state.unfollow(), false
		}
	}
	var r report
	switch {
	case err != nil:
	case l.buf.followed:
		r.tally, err = st.parseFollowed(contentType, ms)
	default:
		r.tally, err = st.parse(body, contentType, ms)
	}
	r.up = err == nil
	r.seconds = time.Since(start).Seconds()
	l.note(st, wall, r, l.buf.n, err)

	if step == stepBack {
		l.metrics.skip(skippedClock, 1)
		l.logger.Warn("scrape not delivered because the clock was set back", "by", back)
		return true
	}
	var sc *telemetry.Scrape
	if err != nil {
		sc = st.reject(set.target, ms, r)
	} else {
		l.metrics.delivered(r.tally, st.draft.taken)
		sc = st.accept(set.target, ms, r)
	}
	sc.ClockReset = step == stepFollow
	l.deliver(sc)
	l.buf.b = st.spare(l.buf.b)
	return true
}

func (l *loop) deliver(sc *telemetry.Scrape) {
	l.clock.lastMs = sc.TimeMs
	if err := l.sink(sc); err != nil {
		l.metrics.sinkErrors.WithLabelValues(l.set.job.Name).Inc()
		l.logger.Warn("scrape could not be delivered", "err", err)
	}
}

func (l *loop) finish() {
	if sc := l.state.finish(l.set.target, l.clock.end(l.now())); sc != nil {
		l.deliver(sc)
	}
	l.mu.Lock()
	pending := l.pending
	l.mu.Unlock()
	for _, set := range []*settings{l.set, pending} {
		if set != nil && set.client != nil {
			set.client.CloseIdleConnections()
		}
	}
}

// note tells people what came of a scrape: status, metrics, log.
func (l *loop) note(st *state, wall time.Time, r report, bodyBytes int, err error) {
	t := &r.tally
	health, lastError, samples := telemetry.HealthUp, "", st.draft.taken
	if err != nil {
		health, lastError, samples = telemetry.HealthDown, err.Error(), 0
	}
	var explosion *telemetry.Explosion
	if err == nil && t.keptOut > 0 {
		explosion = st.explosion(wall.UnixMilli())
	}
	l.mu.Lock()
	before, explodedBefore := l.status.Health, l.status.Explosion
	l.status.KeptOut, l.status.Explosion = t.keptOut, explosion
	l.status.Health, l.status.LastError = health, lastError
	l.status.LastScrape, l.status.Duration = wall, time.Duration(r.seconds*float64(time.Second))
	l.status.Samples = samples
	l.mu.Unlock()

	l.metrics.scraped(r, bodyBytes)
	switch {
	case err != nil:
		why := reasonOf(err)
		l.metrics.failed(why)
		l.logger.Warn("scrape failed", "url", l.set.target.URL.Redacted(), "reason", string(why), "err", err)
	case before == telemetry.HealthDown:
		l.logger.Info("target answers again")
	}
	if t.duplicates > 0 {
		l.logger.Warn("series exposed more than once, the first sample counts", "count", t.duplicates, "series", excerpt(t.duplicate.String()))
	}
	if explosion != explodedBefore {
		l.metrics.exploded(explosion)
	}
	if explosion != nil {
		l.logger.Warn("new series left out because of series_limit", "count", t.keptOut, "limit", st.rules.seriesLimit,
			"metric", explosion.Metric, "label", explosion.Label, "values", explosion.Values, "remedy", explosion.Remedy())
	}
	if t.tooNew+t.tooOld+t.outOfOrder > 0 {
		l.logger.Warn("samples dropped because of their own timestamps", "too_new", t.tooNew, "too_old", t.tooOld, "out_of_order", t.outOfOrder)
	}
}

// Status returns what the loop last saw.
func (l *loop) Status() telemetry.TargetStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}
