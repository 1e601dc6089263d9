package campaign

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"outrider/bench/internal/agents"
	"outrider/bench/internal/load"
	"outrider/bench/internal/sink"
	"outrider/bench/internal/target"
	"outrider/bench/internal/usage"
)

// Run is what one agent did under one load.
type Run struct {
	Load   string `json:"load"`
	Agent  string `json:"agent"`
	Repeat int    `json:"repeat"` // from 1

	Samples  int           `json:"samples"` // delivered within the window
	Requests int           `json:"requests"`
	CPU      time.Duration `json:"cpu"`   // used within the window
	Bytes    int64         `json:"bytes"` // of the bodies of the requests, within the window
	RSS      int64         `json:"rss"`   // mean of the window, in bytes
	Anon     int64         `json:"anon"`  // likewise
	RSSMost  int64         `json:"rssMost"`
	// Foreign is the part of the machine, 0 to 1, that was busy with something else than the
	// agent, the targets and the sink.
	Foreign float64 `json:"foreign"`

	Missing sink.Missing `json:"missing"`
	Repeats int          `json:"repeats"` // series and timestamp twice
	Bad     string       `json:"bad"`     // why requests could not be read, empty if all could
	Killed  bool         `json:"killed"`  // it did not end by itself
}

// CPUPerThousand is the CPU time for 1,000 samples, in milliseconds.
func (r Run) CPUPerThousand() float64 {
	return r.CPU.Seconds() * 1e6 / float64(r.Samples)
}

// BytesPerSample is what a sample took on the wire.
func (r Run) BytesPerSample() float64 { return float64(r.Bytes) / float64(r.Samples) }

// Gaps is the number of scrapes that are missing or damaged at the sink.
func (r Run) Gaps() int { return r.Missing.Skipped + r.Missing.Lost + r.Missing.Wrong }

// stopGrace is how long an agent may take to deliver what it holds, at the end.
const stopGrace = 20 * time.Second

// Bench runs agents one at a time, with their targets and the sink in processes of their own.
type Bench struct {
	Bin  string // folder of bench-target and bench-sink
	Gzip bool   // whether targets compress for clients that ask for it
	// Status is told how a run goes on.
	Status func(format string, args ...any)
}

// rig is what runs beside an agent.
type rig struct {
	dir          string
	load         load.Load
	agent        *process
	target, sink *process
	targets      target.Addresses
	sinkAddress  string
	listen       string // where the pages of the agent are
	client       *http.Client
	started      time.Time
}

// Measure runs one agent under one load. profiles, if not empty, is a folder for a CPU and
// a heap profile of the agent, which is then not as fast as it could be.
func (b *Bench) Measure(ctx context.Context, a agents.Agent, l load.Load, times load.Times, profiles string) (Run, error) {
	fail := func(err error) (Run, error) { return Run{}, fmt.Errorf("%s under %s: %w", a.Name, l, err) }
	dir, err := os.MkdirTemp("", "outrider-bench-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	r := &rig{dir: dir, load: l, client: &http.Client{Transport: &http.Transport{}}}
	defer r.close(ctx)
	if err := r.start(a, b); err != nil {
		return fail(err)
	}
	b.Status("%s  %s  warming up for %s", l, a.Name, times.Warmup)
	if err := r.warmUp(ctx, times.Warmup); err != nil {
		return fail(err)
	}
	g, gctx := errgroup.WithContext(ctx)
	if profiles != "" && a.Pprof {
		g.Go(func() error { return r.profile(gctx, filepath.Join(profiles, a.Name+"-"+l.String()), times.Window) })
	}
	run := Run{Load: l.String(), Agent: a.Name}
	var from, to time.Time
	g.Go(func() (err error) {
		from, to, err = r.watch(gctx, times.Window, &run, func(left time.Duration) {
			b.Status("%s  %s  measuring, %s left", l, a.Name, left.Round(time.Second))
		})
		return err
	})
	if err := g.Wait(); err != nil {
		return fail(err)
	}
	b.Status("%s  %s  counting", l, a.Name)
	run.Killed = !r.agent.stop(ctx, stopGrace)
	if err := r.count(ctx, a, from, to, &run); err != nil {
		return fail(err)
	}
	return run, nil
}

func (r *rig) close(ctx context.Context) {
	for _, p := range []*process{r.agent, r.target, r.sink} {
		if p != nil {
			p.stop(ctx, time.Second)
		}
	}
	r.client.CloseIdleConnections()
}

func (r *rig) start(a agents.Agent, b *Bench) (err error) {
	var args []string
	if b.Gzip {
		args = append(args, "--gzip")
	}
	log := func(name string) string { return filepath.Join(r.dir, name+".log") }
	if r.target, err = start("bench-target", filepath.Join(b.Bin, "bench-target"), append(args, r.load.String()), log("target"), true); err != nil {
		return err
	}
	if err := r.target.announced(&r.targets); err != nil {
		return err
	}
	if r.sink, err = start("bench-sink", filepath.Join(b.Bin, "bench-sink"), nil, log("sink"), true); err != nil {
		return err
	}
	if err := r.sink.announced(&r.sinkAddress); err != nil {
		return err
	}
	if r.listen, err = freeAddress(); err != nil {
		return err
	}
	own := filepath.Join(r.dir, "agent")
	if err := os.Mkdir(own, 0o755); err != nil {
		return err
	}
	agentArgs, err := a.Args(agents.Setup{
		Dir: own, Targets: r.targets.Targets, Sink: "http://" + r.sinkAddress + "/api/v1/write",
		Listen: r.listen, Interval: r.load.Interval,
	})
	if err != nil {
		return err
	}
	r.agent, err = start(a.Name, a.Binary, agentArgs, log("agent"), false)
	r.started = time.Now()
	return err
}

// freeAddress is one that nobody listens on, as of now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// warmUp waits until the agent has run for so long and has delivered something. With one
// target it ends in the middle between two scrapes: a window of whole intervals from there
// holds whole scrapes.
func (r *rig) warmUp(ctx context.Context, d time.Duration) error {
	if err := r.wait(ctx, time.Until(r.started.Add(d))); err != nil {
		return err
	}
	before, err := r.stats(ctx)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(2*r.load.Interval + 10*time.Second)
	for {
		now, err := r.stats(ctx)
		if err != nil {
			return err
		}
		switch {
		case now.Requests > 0 && r.load.Targets > 1:
			return nil
		case now.Requests > before.Requests:
			return r.wait(ctx, min(r.load.Interval/2, 2*time.Second))
		case time.Now().After(deadline):
			return fmt.Errorf("%s delivers nothing: %d requests since it started\n%s", r.agent.name, now.Requests, r.agent.tail())
		}
		if err := r.wait(ctx, max(r.load.Interval/50, 10*time.Millisecond)); err != nil {
			return err
		}
	}
}

// wait sleeps, but not beyond the end of the agent.
func (r *rig) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return r.agent.alive()
	case <-r.agent.done:
		return r.agent.alive()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// memoryEvery is how often the memory of an agent is read.
const memoryEvery = 500 * time.Millisecond

// watch measures for one window and returns when it began and ended.
func (r *rig) watch(ctx context.Context, window time.Duration, run *Run, status func(left time.Duration)) (from, to time.Time, err error) {
	before, err := r.clocks()
	from = time.Now()
	to = from.Add(window)
	if err != nil {
		return from, to, err
	}
	var rss, anon, n int64
	for next := from; next.Before(to); next = next.Add(memoryEvery) {
		if err := r.wait(ctx, time.Until(next)); err != nil {
			return from, to, err
		}
		m, err := usage.ReadMemory(r.agent.pid())
		if err != nil {
			return from, to, err
		}
		rss, anon, n = rss+m.RSS, anon+m.Anon, n+1
		run.RSSMost = max(run.RSSMost, m.RSS)
		status(time.Until(to))
	}
	if err := r.wait(ctx, time.Until(to)); err != nil {
		return from, to, err
	}
	after, err := r.clocks()
	run.CPU = after.agent - before.agent
	run.Foreign = max((after.foreign-before.foreign).Seconds()/window.Seconds()/float64(runtime.NumCPU()), 0)
	run.RSS, run.Anon = rss/n, anon/n
	return from, to, err
}

// clocks are CPU times at one moment.
type clocks struct{ agent, foreign time.Duration }

func (r *rig) clocks() (c clocks, err error) {
	if c.agent, err = usage.CPU(r.agent.pid()); err != nil {
		return c, err
	}
	if c.foreign, err = usage.Busy(); err != nil {
		return c, err
	}
	for _, p := range []*process{r.agent, r.target, r.sink} {
		own, err := usage.CPU(p.pid())
		if err != nil {
			return c, err
		}
		c.foreign -= own
	}
	return c, nil
}

// count asks the sink what has come and the target what was served, and compares them.
func (r *rig) count(ctx context.Context, a agents.Agent, from, to time.Time, run *Run) error {
	var check sink.Check
	query := url.Values{"from": {strconv.FormatInt(from.UnixNano(), 10)}, "to": {strconv.FormatInt(to.UnixNano(), 10)}}
	if err := r.getJSON(ctx, "http://"+r.sinkAddress+"/check?"+query.Encode(), &check); err != nil {
		return err
	}
	var bodies [][]target.Body
	if err := r.getJSON(ctx, "http://"+r.targets.Control+"/bodies", &bodies); err != nil {
		return err
	}
	run.Samples, run.Requests, run.Bytes = check.Samples, check.Requests, check.Bytes
	run.Repeats, run.Bad = check.Repeats, check.FirstBad
	if check.Samples == 0 {
		return fmt.Errorf("nothing arrived within the window: %d requests, %d of them unreadable %s", check.Requests, check.Bad, check.FirstBad)
	}
	for protocol, n := range check.Protocols {
		if protocol != a.Protocol {
			return fmt.Errorf("%d requests were in protocol %s, want %s", n, protocol, a.Protocol)
		}
	}
	for i, served := range bodies {
		_, port, err := net.SplitHostPort(r.targets.Targets[i])
		if err != nil {
			return err
		}
		m := sink.Compare(served, check.Scrapes[port], r.load.Series, r.load.Interval, from, to)
		run.Missing.Skipped += m.Skipped
		run.Missing.Lost += m.Lost
		run.Missing.Wrong += m.Wrong
	}
	return nil
}

func (r *rig) stats(ctx context.Context) (s sink.Stats, err error) {
	return s, r.getJSON(ctx, "http://"+r.sinkAddress+"/stats", &s)
}

func (r *rig) getJSON(ctx context.Context, address string, v any) error {
	return r.get(ctx, address, 5*time.Minute, func(body io.Reader) error { return json.NewDecoder(body).Decode(v) })
}

func (r *rig) get(ctx context.Context, address string, timeout time.Duration, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("get %s: %s: %s", address, resp.Status, text)
	}
	return read(resp.Body)
}
