package remotewrite

import "time"

// suspects remembers series that were refused by themselves, for a series that is refused
// once is often refused with each scrape. Each is tried again now and then, since it may have
// been mended. The zero value is ready for use.
type suspects struct {
	known map[string]*suspect // by series.appendKey
	buf   []byte
}

// suspect is what is remembered of one series.
type suspect struct {
	refusals int       // in a row
	last     time.Time // of them
	err      error     // why
}

const (
	maxSuspects = 1000
	suspectFor  = time.Hour // after the last refusal

	// The next sample after the first refusal is tried at once: many refusals concern one
	// sample only. After that the time between two tries doubles.
	suspectRetryMin = 15 * time.Second
	suspectRetryMax = 5 * time.Minute
)

// due is when the series may be tried again.
func (x *suspect) due() time.Time {
	if x.refusals < 2 {
		return x.last
	}
	return x.last.Add(min(suspectRetryMin<<min(x.refusals-2, 10), suspectRetryMax))
}

// get returns what is known of a series, or nil.
func (x *suspects) get(s *series) *suspect {
	if len(x.known) == 0 {
		return nil
	}
	x.buf = s.appendKey(x.buf[:0])
	return x.known[string(x.buf)]
}

// add takes note that a series was refused by itself.
func (x *suspects) add(s *series, err error, now time.Time) {
	k := x.get(s)
	if k == nil {
		if len(x.known) >= maxSuspects {
			return
		}
		if x.known == nil {
			x.known = make(map[string]*suspect)
		}
		k = new(suspect)
		x.known[string(s.appendKey(nil))] = k
	}
	k.refusals++
	k.last, k.err = now, err
}

// again takes note that series were refused together: those of them that are known need not
// be tried soon.
func (x *suspects) again(all []series, err error, now time.Time) {
	for i := range all {
		if x.get(&all[i]) != nil {
			x.add(&all[i], err, now)
		}
	}
}

// clear takes note that series were accepted.
func (x *suspects) clear(all []series) {
	for i := range all {
		if x.get(&all[i]) != nil {
			delete(x.known, string(x.buf))
		}
	}
}

// forget lets go of series that were not refused for long, and says whether any are left.
func (x *suspects) forget(now time.Time) (left bool) {
	for key, k := range x.known {
		if now.Sub(k.last) > suspectFor {
			delete(x.known, key)
		}
	}
	return len(x.known) > 0
}

// sift takes series apart in good ones, suspects to be tried again, and suspects that were
// refused lately, with the reason why the first of these was.
func (x *suspects) sift(all []series, now time.Time) (good, retry, bad []series, why error) {
	for i := range all {
		switch k := x.get(&all[i]); {
		case k == nil:
			good = append(good, all[i])
		case !now.Before(k.due()):
			retry = append(retry, all[i])
		default:
			if why == nil {
				why = k.err
			}
			bad = append(bad, all[i])
		}
	}
	return good, retry, bad, why
}

// setApart takes the suspects out of the record at the front before it is sent, so that the
// good part is delivered with one request, and says whether it changed the front. Suspects
// that are to be tried again become a record of their own, as long as the pace allows for it
// without waiting; the others go into quarantine without asking.
func (s *sender) setApart(r record) bool {
	now := time.Now()
	if r.sifted || !s.suspects.forget(now) {
		return false
	}
	all, err := decode(r)
	if err != nil {
		s.corrupt(r, err)
		return true
	}
	good, retry, bad, why := s.suspects.sift(all, now)
	if len(good) == len(all) {
		return false
	}
	if len(retry) > 0 && s.pace.take(now) > 0 {
		if why == nil {
			why = s.suspects.get(&retry[0]).err
		}
		bad, retry = append(bad, retry...), nil
	}
	if len(bad) > 0 {
		s.isolateSuspects(bad, r, why)
	}
	var left []record
	if len(good) > 0 {
		p := encodeSeries(good, r.message, r.queued)
		p.sifted = true
		left = append(left, p)
	}
	if len(retry) > 0 {
		p := encodeSeries(retry, r.message, r.queued)
		p.sifted, p.retry = true, true
		left = append(left, p)
	}
	s.replace(left...)
	return true
}

// absolve takes note that a record of suspects was delivered.
func (s *sender) absolve(r record) {
	if !r.retry {
		return
	}
	if all, err := decode(r); err == nil {
		s.suspects.clear(all)
		s.logger.Info("receiver takes series again that it had refused", "series", all[0].String(), "count", len(all))
	}
}
