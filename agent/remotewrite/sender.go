package remotewrite

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"outrider/agent/backoff"
)

// tuning is how patient a sender is.
type tuning struct {
	retryMin, retryMax time.Duration
	misconfiguredWait  time.Duration // at least, between two tries
	bisectEvery        time.Duration // one request of a bisection each, after the burst
	bisectBurst        int
}

func defaultTuning() tuning {
	return tuning{
		retryMin:          500 * time.Millisecond,
		retryMax:          30 * time.Second,
		misconfiguredWait: 30 * time.Second, // two tries a minute
		bisectEvery:       200 * time.Millisecond,
		bisectBurst:       2 * maxBisect,
	}
}

// sender delivers the records of one lane, one request in flight, in their order. It does
// with each what the answer asks for. Records of 1.0 that wait together are joined to one
// request, as long as it is accepted. Only the record at the front of the queue is ever changed,
// and always before the next step, so that a sender that is stopped at any moment
// leaves a queue from which another can go on.
type sender struct {
	*endpoint
	queue  *queue
	hurry  <-chan struct{} // cuts a wait between two tries short
	client *client
	tuning tuning

	pace      pace
	batch     batch
	joining   joining
	suspects  suspects
	collected collection
	refused   ageLimit
	searched  time.Time // when it was last looked for the age that is refused
	resized   time.Time // when the size of requests was last looked into
}

func newSender(ep *endpoint, la *lane, t tuning) *sender {
	lanes := len(*ep.lanes.Load()) // they share what a bisection may cost
	return &sender{
		endpoint: ep,
		queue:    la.queue,
		hurry:    la.hurry,
		client:   ep.settings.Load().client,
		tuning:   t,
		pace:     pace{every: t.bisectEvery * time.Duration(lanes), burst: max(1, t.bisectBurst/lanes)},
		resized:  time.Now(),
	}
}

// run delivers until ctx is done.
func (s *sender) run(ctx context.Context) {
	defer s.client.http.CloseIdleConnections()
	for {
		r, err := s.queue.Peek(ctx)
		if err != nil {
			return
		}
		if err := s.handle(ctx, r); err != nil {
			return
		}
	}
}

// replace puts records in the place of the one at the front of the queue, or takes that away.
func (s *sender) replace(with ...record) {
	s.queue.Replace(with...)
	s.account()
}

// handle takes the record at the front one step on: out of the queue, or into such parts as
// may be accepted. The only error is ctx's.
func (s *sender) handle(ctx context.Context, r record) error {
	if r.message == v2 && s.currentMessage() == v1 {
		s.translate(r)
		return nil
	}
	if s.expireKnown(r) || s.setApart(r) {
		return nil
	}
	if all, ok := s.join(r); ok {
		return s.handleJoined(ctx, all)
	}
	a, err := s.deliver(ctx, r)
	if err != nil {
		return err
	}
	switch a.verdict {
	case delivered:
		s.settle(r, a)
		s.absolve(r)
		s.enlarge()
		s.joining.delivered(1)
		s.replace()
	case notUnderstood:
		// Translated when it is looked at again.
	case tooLarge:
		s.split(r, a)
	case tooOld:
		return s.expire(ctx, r, a)
	case badExemplars:
		s.strip(r, a)
	case poison:
		return s.bisect(ctx, r, a)
	default:
		panic("BUG: an answer that waiting does not change was expected")
	}
	return nil
}

// deliver sends the same bytes until there is an answer that waiting does not change. The
// only error is ctx's.
func (s *sender) deliver(ctx context.Context, r record) (answer, error) {
	wait := backoff.Backoff{Min: s.tuning.retryMin, Max: s.tuning.retryMax}
	for attempt := 0; ; attempt++ {
		if err := s.gate.pass(ctx); err != nil {
			return answer{}, err
		}
		a := s.post(ctx, r, attempt)
		if a.verdict != passing && a.verdict != misconfigured {
			s.note(a)
			s.gate.open()
			if attempt > 0 {
				s.logger.Info("receiver answers again", "attempts", attempt+1)
			}
			if a.verdict == notUnderstood {
				s.fallBack(a)
			}
			return a, nil
		}
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
		s.note(a)
		s.metrics.all.retries.WithLabelValues(s.name, a.reason).Inc()
		var err error
		if a.verdict == misconfigured {
			d := max(s.tuning.misconfiguredWait+rand.N(s.tuning.misconfiguredWait/10+1), a.retryAfter)
			s.logger.Error("endpoint refuses all requests, check its settings", "err", a.err, "url", s.shownURL(), "wait", d)
			s.gate.shut(d)
		} else {
			d := max(wait.Next(), a.retryAfter)
			s.logger.Warn("request was not delivered, trying again", "err", a.err, "reason", a.reason, "url", s.shownURL(), "wait", d)
			err = s.sleep(ctx, d, a.retryAfter)
		}
		if err != nil {
			return a, err
		}
	}
}

// sleep waits for d, or until somebody is in a hurry, but at least for the time that the
// receiver has asked for.
func (s *sender) sleep(ctx context.Context, d, atLeast time.Duration) error {
	if err := backoff.Sleep(ctx, atLeast); err != nil {
		return err
	}
	t := time.NewTimer(d - atLeast)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.hurry:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (s *sender) post(ctx context.Context, r record, attempt int) answer {
	start := time.Now()
	a := s.client.post(ctx, r, attempt)
	s.metrics.duration.Observe(time.Since(start).Seconds())
	s.metrics.bytes.Add(float64(len(r.data)))
	code := "error"
	if a.status > 0 {
		code = strconv.Itoa(a.status)
	}
	s.metrics.all.requests.WithLabelValues(s.name, code).Inc()
	return a
}

func (s *sender) shownURL() string { return s.settings.Load().cfg.URL.Redacted() }

// fallBack goes over to 1.0 until the settings change. What is queued is translated as it
// comes to the front.
func (s *sender) fallBack(a answer) {
	s.setMessage(v1)
	s.logger.Warn("receiver does not understand remote write 2.0, sending 1.0 from now on", "err", a.err)
}

// translate makes 1.0 of a 2.0 record.
func (s *sender) translate(r record) {
	all, err := decode(r)
	if err != nil {
		s.corrupt(r, err)
		return
	}
	s.replace(reencode(all, v1, s.limits(), r.queued)...)
}

// split halves a record that the receiver finds too large, and makes smaller ones from now on.
func (s *sender) split(r record, a answer) {
	all, err := decode(r)
	if err != nil {
		s.corrupt(r, err)
		return
	}
	if len(all) == 1 {
		s.resized = time.Now()
		s.isolate(all, r, a.err)
		s.replace()
		return
	}
	s.shrink(r, a)
	mid := len(all) / 2
	s.replace(encodeSeries(all[:mid], r.message, r.queued), encodeSeries(all[mid:], r.message, r.queued))
}

// shrink makes requests smaller from now on than one that was too large.
func (s *sender) shrink(r record, a answer) {
	s.resized = time.Now()
	if n := int64(max(minRequestSamples, r.counts.samples()/2)); n < s.perReq.Load() {
		s.perReq.Store(n)
		s.logger.Warn("receiver finds a request too large, sending smaller ones from now on", "err", a.err, "samples", n)
	}
}

// enlargeAfter is how long a receiver must not have called a request too large for them to
// become larger again: its limit may have been raised, or it was one request's own matter.
const enlargeAfter = 10 * time.Minute

// enlarge doubles the size of new requests, up to the default, when it is time to.
func (s *sender) enlarge() {
	n := s.perReq.Load()
	if n >= defaultRequestSamples || time.Since(s.resized) < enlargeAfter {
		return
	}
	s.resized = time.Now()
	s.perReq.Store(min(2*n, defaultRequestSamples))
	s.logger.Info("no request was too large for a while, sending larger ones from now on", "samples", s.perReq.Load())
}

// strip takes the exemplars away, of which the receiver refuses some: they are worth less
// than the samples. It happens after a restart, when it is forgotten which were sent.
func (s *sender) strip(r record, a answer) {
	all, err := decode(r)
	if err != nil {
		s.corrupt(r, err)
		return
	}
	for i := range all {
		all[i].exemplars = nil
	}
	s.metrics.exemplarsDropped.Add(float64(r.counts.exemplars))
	s.logger.Warn("receiver refuses exemplars, sending the samples without", "err", a.err)
	s.replace(encodeSeries(all, r.message, r.queued))
}

// corrupt gives up the record at the front, which cannot be read.
func (s *sender) corrupt(r record, err error) {
	s.drop("corrupt", r.counts)
	s.logger.Error("queued request is damaged, dropping it", "err", err, "samples", r.counts.samples())
	s.replace()
}

// isolate puts series that the receiver refuses for good in quarantine. The queue is left to
// the caller.
func (s *sender) isolate(part []series, from record, why error) {
	s.keep(part, sumCounts(part).samples(), "", from, why)
}

// keep writes a quarantine file of series, or over the one at path, and accounts for so many
// new samples in it. Where that fails they are dropped, and ok is false.
func (s *sender) keep(all []series, samples int, path string, from record, why error) (file string, ok bool) {
	log := s.logger.With("err", why, "series", all[0].String(), "samples", samples)
	if s.quarantine == nil {
		s.metrics.dropped("poison", samples)
		log.Warn("receiver refuses samples for good, dropping them")
		return "", false
	}
	r := encodeSeries(all, from.message, from.queued)
	file, err := s.quarantine.put(refusal{endpoint: s.name, record: r, series: all[0].String(), err: why}, path, time.Now())
	if err != nil {
		s.metrics.dropped("poison", samples)
		log.Error("receiver refuses samples for good, and they cannot be kept", "quarantine_err", err)
		return "", false
	}
	s.metrics.quarantined.Add(float64(samples))
	log.Warn("receiver refuses samples for good, keeping them in quarantine", "file", file)
	return file, true
}
