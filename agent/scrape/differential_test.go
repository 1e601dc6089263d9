package scrape

import (
	"bytes"
	"embed"
	"fmt"
	"math"
	"math/rand/v2"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
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

func newPair(t testing.TB, cfg *Config) *pair {
	p := &pair{t: t, target: &telemetry.Target{Job: "checkout", Labels: testTarget}, timeMs: corpusMs}
	r := p.rules(cfg)
	p.fast.st, p.slow.st = newState(r), newState(r)
	p.slow.st.slowOnly = true
	return p
}

func (p *pair) rules(cfg *Config) *rules {
	r, err := newRules(testTarget, cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
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
	may := p.fast.st.mayRepeat(contentType, p.timeMs)
	p.fast.parse(body, contentType, p.timeMs)
	p.slow.parse(body, contentType, p.timeMs)
	p.bodies++
	if may && p.fast.st.strikes == 0 { // else it got one
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

// setConfig is a reload of the configuration.
func (p *pair) setConfig(cfg *Config) {
	r := p.rules(cfg)
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

func (p *pair) differ(what string, fast, slow any) {
	p.t.Helper()
	p.t.Fatalf("%s differs at body %d:\nlayout: %v\nparser: %v", what, p.bodies, fast, slow)
}

func (p *pair) compareParse() {
	p.t.Helper()
	f, s := &p.fast, &p.slow
	if fmt.Sprint(f.err) != fmt.Sprint(s.err) || reasonOf(f.err) != reasonOf(s.err) {
		p.differ("the error", f.err, s.err)
	}
	ft, stt := f.tally, s.tally
	if !labels.Equal(ft.duplicate, stt.duplicate) || !labels.Equal(ft.firstExcess, stt.firstExcess) {
		p.differ("an example", ft, stt)
	}
	ft.duplicate, ft.firstExcess = stt.duplicate, stt.firstExcess
	if !reflect.DeepEqual(ft, stt) {
		p.differ("the tally", fmt.Sprintf("%+v", ft), fmt.Sprintf("%+v", stt))
	}
	if f.err != nil {
		return
	}
	if a, b := f.st.draft.taken, s.st.draft.taken; a != b {
		p.differ("the number of samples", a, b)
	}
	if a, b := f.st.explosion(p.timeMs), s.st.explosion(p.timeMs); !reflect.DeepEqual(a, b) {
		p.differ("the explosion", a, b)
	}
}

func (p *pair) compareScrapes() {
	p.t.Helper()
	f, s := p.fast.scrape, p.slow.scrape
	if f == nil || s == nil {
		if f != s {
			p.differ("the scrape", f, s)
		}
		return
	}
	if f.Target != s.Target || f.TimeMs != s.TimeMs || f.Failed != s.Failed || f.ClockReset != s.ClockReset {
		p.differ("the head", f, s)
	}
	if a, b := f.Series.Len(), s.Series.Len(); a != b || len(f.Values) != len(s.Values) || a != len(f.Values) && len(f.Values) > 0 {
		p.differ("the number of series", a, b)
	}
	for i, v := range s.Values {
		if math.Float64bits(f.Values[i]) != math.Float64bits(v) {
			p.differ(fmt.Sprintf("value %d of %s", i, s.Series.At(i)), f.Values[i], v)
		}
	}
	if f.Series != p.fast.set || s.Series != p.slow.set {
		p.compareShape(f.Series, s.Series)
	}
	if len(f.Rest) != len(s.Rest) {
		p.differ("the length of the rest", dump(f), dump(s))
	}
	for i := range s.Rest {
		p.compareSample(i, &f.Rest[i], &s.Rest[i])
	}
}

func (p *pair) compareShape(f, s *telemetry.SeriesSet) {
	p.t.Helper()
	if a, b := len(f.Blocks()), len(s.Blocks()); a != b {
		p.differ("the number of blocks", a, b)
	}
	for k, b := range s.Blocks() {
		a := f.Blocks()[k]
		if a.Len() != b.Len() {
			p.differ("the length of a block", a.Len(), b.Len())
		}
		for i := range b.Len() {
			if !labels.Equal(a.At(i), b.At(i)) {
				p.differ("a series", a.At(i), b.At(i))
			}
			if !reflect.DeepEqual(a.Metadata(i), b.Metadata(i)) {
				p.differ("metadata of "+b.At(i).String(), dumpMeta(a.Metadata(i)), dumpMeta(b.Metadata(i)))
			}
		}
	}
}

func (p *pair) compareSample(i int, f, s *telemetry.Sample) {
	p.t.Helper()
	same := f.Kind == s.Kind && f.InSeries == s.InSeries && f.TimeMs == s.TimeMs && math.Float64bits(f.Value) == math.Float64bits(s.Value) &&
		labels.Equal(f.Labels, s.Labels) && reflect.DeepEqual(f.Metadata, s.Metadata) &&
		f.Histogram.Equals(s.Histogram) && f.FloatHistogram.Equals(s.FloatHistogram) &&
		slices.EqualFunc(f.Exemplars, s.Exemplars, func(a, b exemplar.Exemplar) bool {
			return a.HasTs == b.HasTs && a.Ts == b.Ts && math.Float64bits(a.Value) == math.Float64bits(b.Value) && labels.Equal(a.Labels, b.Labels)
		})
	if !same {
		p.differ(fmt.Sprintf("sample %d of the rest", i), fmt.Sprintf("%+v %s", *f, dumpMeta(f.Metadata)), fmt.Sprintf("%+v %s", *s, dumpMeta(s.Metadata)))
	}
}

// checkSharing holds both to the same sets and blocks that are used again from scrape to
// scrape: what is made of them later is kept by their pointers.
func (p *pair) checkSharing() {
	p.t.Helper()
	f, s := &p.fast, &p.slow
	if a, b := f.scrape.Series == f.set, s.scrape.Series == s.set; a != b {
		p.differ("whether the shape is the same", a, b)
	}
	again := func(s *side) (kept []bool) {
		for _, b := range s.scrape.Series.Blocks() {
			kept = append(kept, slices.Contains(s.blocks, b))
		}
		return kept
	}
	if f.scrape.Series != f.set {
		if a, b := again(f), again(s); !slices.Equal(a, b) {
			p.differ("which blocks are used again", a, b)
		}
	}
	for _, s := range []*side{f, s} {
		s.set, s.blocks = s.scrape.Series, s.scrape.Series.Blocks()
	}
	if a, b := len(f.st.series), len(s.st.series); a != b {
		p.differ("the number of series that are known", a, b)
	}
	if a, b := len(f.st.families), len(s.st.families); a != b {
		p.differ("the number of families that are known", a, b)
	}
}

// checkLayout holds the layout to what it says of the body that it was made of.
func (p *pair) checkLayout() {
	p.t.Helper()
	st := p.fast.st
	l := st.layout
	if l == nil {
		return
	}
	if len(l.units) != len(l.cols) {
		p.t.Fatalf("%d units, %d columns", len(l.units), len(l.cols))
	}
	next := 0
	for u, col := range l.cols {
		sp := l.units[u]
		if l.start(u) >= int(sp.end) || l.body[sp.end] != '\n' || col != colSlow && (int(sp.value) > int(sp.end) || int(sp.value) < l.start(u)) {
			p.t.Fatalf("unit %d is at %d to %d, its value at %d", u, l.start(u), sp.end, sp.value)
		}
		if col < 0 {
			continue
		}
		if int(col) < next || int(col) >= len(st.plain) {
			p.t.Fatalf("unit %d is of column %d, %d to %d are possible", u, col, next, len(st.plain)-1)
		}
		next = int(col) + 1
		v, ok := parseValue(l.body[sp.value:sp.end])
		if !ok || math.Float64bits(v) != math.Float64bits(st.values[col]) {
			p.t.Fatalf("unit %d has %q in place of %v", u, l.body[sp.value:sp.end], st.values[col])
		}
	}
}

//go:embed testdata/bodies
var corpus embed.FS

// seed is a sequence of bodies that a target exposed.
type seed struct {
	name, contentType string
	bodies            []string
	compiles          bool // a layout can be made of it
}

// seeds returns what is in testdata/bodies, and what is made here.
func seeds(t testing.TB) []seed {
	t.Helper()
	files, err := corpus.ReadDir("testdata/bodies")
	if err != nil {
		t.Fatal(err)
	}
	var out []seed
	for _, f := range files {
		base, _, ok := strings.Cut(f.Name(), "-1.")
		if !ok {
			continue
		}
		s := seed{name: f.Name(), contentType: text004}
		if path.Ext(f.Name()) == ".om" {
			s.contentType = openText
		}
		for n := 1; ; n++ {
			b, err := corpus.ReadFile(fmt.Sprintf("testdata/bodies/%s-%d%s", base, n, path.Ext(f.Name())))
			if err != nil {
				break
			}
			s.bodies = append(s.bodies, string(b))
		}
		// Lines with timestamps are never plain.
		s.compiles = base != "java-stamped" && base != "federate"
		out = append(out, s)
	}
	churn := seed{name: "churn", contentType: text004, compiles: true}
	for _, b := range successive(6, 400, .3, .3) {
		churn.bodies = append(churn.bodies, string(b))
	}
	return append(out, churn, cluster())
}

// cluster is what one exposes of the objects of a cluster: many labels, little but ones.
func cluster() seed {
	s := seed{name: "cluster", contentType: text100, compiles: true}
	rng := rand.New(rand.NewPCG(3, 4))
	pods := make([]int, 40)
	for i := range pods {
		pods[i] = i
	}
	for n := range 4 {
		var b bytes.Buffer
		for _, m := range []struct{ name, typ, more string }{
			{"kube_pod_info", "gauge", `host_ip="10.0.0.%d",node="node-%d"`},
			{"kube_pod_labels", "gauge", `label_app_kubernetes_io_name="a \"quoted\" name %d",label_path="C:\\data\\%d"`},
			{"kube_pod_status_phase", "gauge", `phase="Running %d\n%d"`},
			{"kube_pod_created", "gauge", `uid="u-%d-%d"`},
		} {
			fmt.Fprintf(&b, "# HELP %s [STABLE] Of pods, \\\\ and\\nmore.\n# TYPE %s %s\n", m.name, m.name, m.typ)
			for _, pod := range pods {
				fmt.Fprintf(&b, "%s{namespace=\"prod\",pod=\"checkout-7f9c-%04x\",%s} %g\n", m.name, pod, fmt.Sprintf(m.more, pod%7, pod%3), 1+1.7e9*float64(pod%2))
			}
		}
		s.bodies = append(s.bodies, b.String())
		for k := range 4 { // some pods are replaced
			pods[rng.IntN(len(pods))] = 100*(n+1) + k
		}
	}
	return s
}

// configs are those under which bodies are compared.
func configs() []Config {
	return []Config{
		{},
		{HonorTimestamps: true},
		{HonorTimestamps: true, TrackTimestampsStaleness: true, HonorLabels: true},
		{HonorTimestamps: true, SeriesLimit: 120},
		{SeriesLimit: 10, HonorLabels: true},
		{SampleLimit: 300},
		{LabelLimit: 8, LabelValueLengthLimit: 100, HonorTimestamps: true},
		{MetricRelabelConfigs: []*relabel.Config{dropNames("(go|process|jvm|node)_.*"), dropLabels("code|path|le")}},
		{MetricRelabelConfigs: []*relabel.Config{renames()}, HonorTimestamps: true},
	}
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
	muts := mutations()
	for k, s := range seeds(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			// Each mutation alone, and the way back.
			alone := newPair(t, &configs()[k%3])
			for _, m := range muts {
				rng := rand.New(rand.NewPCG(uint64(k), 5))
				for range 3 {
					alone.fast.st.strikes = 0
					alone.step(t, rng, s, m)
				}
			}
			alone.stop()
			// Several together, the same target going on.
			for c, cfg := range configs() {
				rng := rand.New(rand.NewPCG(uint64(k), uint64(c)))
				p := newPair(t, &cfg)
				for range 30 {
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
