package scrape

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/telemetry"
)

// side is one of two states that are given the same bodies.
type side struct {
	st     *state
	buf    []byte
	tally  tally
	err    error
	scrape *telemetry.Scrape
	set    *telemetry.SeriesSet // of the good scrape before
	blocks []*telemetry.Block
}

// pair is a state that makes layouts beside one that has the parser read everything. What
// the second one says is true.
type pair struct {
	t      testing.TB
	target *telemetry.Target
	fast   side
	slow   side
	timeMs int64

	bodies, replayed, repeated int // how many there were, with how many the layout was of use, how many were wholly as it is
	edits, failed              int
}

// corpusMs is when the bodies in testdata were made.
const corpusMs = 1_795_604_375_000

func newPair(t testing.TB, r *rules) *pair {
	p := &pair{t: t, target: &telemetry.Target{Job: "checkout", Labels: testTarget}, timeMs: corpusMs}
	p.fast.st, p.slow.st = newState(r), newState(r)
	p.slow.st.slowOnly = true
	p.fast.st.restAfter = 3
	return p
}

// parse has a side parse its own copy of a body, as the loop does: in memory that was used
// for earlier ones, so that whoever still looks at those is found out.
func (s *side) parse(body, contentType string, timeMs int64) {
	for b := s.buf[:cap(s.buf)]; len(b) > 0; {
		b = b[copy(b, "~{\"\n"):]
	}
	s.buf = append(s.buf[:0], body...)
	s.tally, s.err = s.st.parse(s.buf, contentType, timeMs)
}

// end makes a scrape of what was parsed.
func (s *side) end(target *telemetry.Target, timeMs int64) {
	r := report{up: s.err == nil, seconds: 0.25, tally: s.tally}
	if s.err != nil {
		s.scrape = s.st.reject(target, timeMs, r)
	} else {
		s.scrape = s.st.accept(target, timeMs, r)
	}
	s.buf = s.st.spare(s.buf)
}

// body gives both sides a body one second after the one before.
func (p *pair) body(body, contentType string) {
	p.t.Helper()
	p.timeMs += 1000
	p.fast.parse(body, contentType, p.timeMs)
	p.slow.parse(body, contentType, p.timeMs)
	p.bodies++
	if p.fast.st.draft.replayed {
		p.replayed++
		p.edits += len(p.fast.st.scanner.edits)
	}
	if p.fast.st.draft.repeated {
		p.repeated++
	}
	if p.slow.err != nil {
		p.failed++
	}
	p.compareParse()
	p.finishBoth()
}

// fetchFails is a scrape that gave no body.
func (p *pair) fetchFails() {
	p.timeMs += 1000
	for _, s := range []*side{&p.fast, &p.slow} {
		s.err, s.tally = fail(reasonConnect, "refused"), tally{}
	}
	p.finishBoth()
}

func (p *pair) finishBoth() {
	p.t.Helper()
	p.fast.end(p.target, p.timeMs)
	p.slow.end(p.target, p.timeMs)
	p.compareScrapes()
	if p.fast.err == nil {
		p.checkSharing()
	}
	p.checkLayout()
}

// clockBack has the clock be set back by hours, and followed.
func (p *pair) clockBack() {
	p.timeMs -= 7_200_000
	p.fast.st.forgetTimes()
	p.slow.st.forgetTimes()
}

// setRules is a reload of the configuration.
func (p *pair) setRules(r *rules) {
	p.fast.st.setRules(r)
	p.slow.st.setRules(r)
}

// stop ends both, as when the target goes.
func (p *pair) stop() {
	p.t.Helper()
	p.timeMs += 1000
	p.fast.scrape, p.slow.scrape = p.fast.st.finish(p.target, p.timeMs), p.slow.st.finish(p.target, p.timeMs)
	p.compareScrapes()
}

// rulesToCompare are those under which bodies are compared.
func rulesToCompare(t testing.TB) (out []*rules) {
	t.Helper()
	for _, cfg := range []Config{
		{},
		{HonorTimestamps: true},
		{HonorTimestamps: true, TrackTimestampsStaleness: true, HonorLabels: true},
		{HonorTimestamps: true, SeriesLimit: 120},
		{SeriesLimit: 10, HonorLabels: true},
		{SampleLimit: 300},
		{LabelLimit: 8, LabelValueLengthLimit: 100, HonorTimestamps: true},
		{MetricRelabelConfigs: []*relabel.Config{dropNames("(go|process|jvm|node)_.*"), dropLabels("code|path|le")}},
		{MetricRelabelConfigs: []*relabel.Config{renames()}, HonorTimestamps: true},
		{SampleLimit: 25, HonorTimestamps: true},
	} {
		r, err := newRules(testTarget, &cfg)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// renames gives some series another name by their label values.
func renames() *relabel.Config {
	c := relabel.DefaultRelabelConfig
	c.SourceLabels, c.Regex = model.LabelNames{"__name__", "code"}, relabel.MustNewRegexp("(.*);(200|404)")
	c.TargetLabel, c.Replacement = "__name__", "renamed_$1"
	return &c
}

// TestCompiledAgainstSlow gives both sides hundreds of bodies of each kind that there is.
func TestCompiledAgainstSlow(t *testing.T) {
	muts, configs := mutations(), rulesToCompare(t)
	for k, s := range seeds(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			// Each mutation alone, and the way back.
			alone := newPair(t, configs[k%3])
			for _, m := range muts {
				rng := rand.New(rand.NewPCG(uint64(k), 5))
				for range 2 {
					alone.fast.st.strikes = 0
					alone.step(t, rng, s, m)
				}
			}
			alone.stop()
			// Several together, the same target going on.
			for c, r := range configs {
				rng := rand.New(rand.NewPCG(uint64(k), uint64(c)))
				p := newPair(t, r)
				for n := range 15 {
					switch {
					case n%10 == 3:
						p.fetchFails()
					case n == 8:
						p.clockBack()
					case n == 11:
						p.setRules(configs[(c+1)%len(configs)])
					}
					var some []mutation
					for range 1 + rng.IntN(3) {
						some = append(some, muts[rng.IntN(len(muts))])
					}
					p.step(t, rng, s, some...)
				}
				p.stop()
			}
			t.Logf("%d bodies, %d failed, %d with a layout, %d all like it, %d edits", alone.bodies, alone.failed, alone.replayed, alone.repeated, alone.edits)
			if s.compiles && (alone.replayed < alone.bodies/6 || alone.edits < alone.bodies/10) {
				t.Error("too few of the bodies were read with the layout for this to test it")
			}
		})
	}
}

// step gives both sides a body, the one after it, and one that is another by mutations.
func (p *pair) step(t *testing.T, rng *rand.Rand, s seed, muts ...mutation) {
	t.Helper()
	n := rng.IntN(len(s.bodies))
	p.body(s.bodies[n], s.contentType)
	p.body(s.bodies[(n+1)%len(s.bodies)], s.contentType)
	e := newExposed(s.bodies[n], s.contentType)
	e.rng, e.nowMs = rng, p.timeMs
	var names []string
	for _, m := range muts {
		m.do(e)
		names = append(names, m.name)
	}
	defer func() {
		if t.Failed() {
			t.Logf("after %s", strings.Join(names, ", "))
		}
	}()
	p.body(e.body(), e.contentType)
}

// What a program may have done beside mutations.
const (
	opFetchFails = 255 - iota
	opClockBack
	opSetRules
	opStop
)

// FuzzCompiledAgainstSlow gives both sides a body and then those that a program makes of it, of
// three bytes a step: what to do, and two to draw chance from. The highest bit of the third
// one says that the next step comes before the body is exposed.
func FuzzCompiledAgainstSlow(f *testing.F) {
	muts, configs := mutations(), rulesToCompare(f)
	rng := rand.New(rand.NewPCG(8, 9))
	for _, s := range seeds(f) {
		for range 4 {
			program := make([]byte, 3*(6+rng.IntN(10)))
			for i := range program {
				program[i] = byte(rng.Uint32())
				if i%3 == 0 && program[i] < opStop {
					program[i] %= byte(len(muts))
				}
			}
			f.Add(excerptOf(rng, &s), program, byte(rng.IntN(len(configs))), s.contentType == openText)
		}
	}
	f.Fuzz(func(t *testing.T, body string, program []byte, config byte, open bool) {
		if len(body) > 16<<10 || len(program) > 3*40 {
			return
		}
		contentType := text004
		if open {
			contentType = openText
		}
		p := newPair(t, configs[int(config)%len(configs)])
		p.body(body, contentType)
		p.body(body, contentType)
		e := newExposed(body, contentType)
		for ; len(program) >= 3; program = program[3:] {
			op, a, b := program[0], program[1], program[2]
			e.rng, e.nowMs = rand.New(rand.NewPCG(uint64(a), uint64(b))), p.timeMs
			switch op {
			case opFetchFails:
				p.fetchFails()
			case opClockBack:
				p.clockBack()
			case opSetRules:
				p.setRules(configs[int(a)%len(configs)])
			case opStop:
				p.stop()
			default:
				muts[int(op)%len(muts)].do(e)
			}
			if e.size() > 64<<10 {
				break
			}
			if b < 0x80 {
				p.body(e.body(), e.contentType)
			}
			p.fast.st.strikes = min(p.fast.st.strikes, 1) // or bad bodies would end the comparison
		}
		p.body(body, contentType)
		p.stop()
	})
}

// excerptOf takes some families out of a body.
func excerptOf(rng *rand.Rand, s *seed) string {
	e := newExposed(s.bodies[0], s.contentType)
	from := rng.IntN(len(e.lines))
	for from > 0 && (e.lines[from][0] != '#' || e.lines[from-1][0] == '#') {
		from--
	}
	out := strings.Join(e.lines[from:min(len(e.lines), from+30)], "")
	if s.contentType == openText && !strings.HasSuffix(out, "# EOF\n") {
		out += "# EOF\n"
	}
	return out
}
