package campaign

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"outrider/bench/internal/agents"
	"outrider/bench/internal/load"
)

// Plan is what is measured: under each load each agent once, then each agent again.
type Plan struct {
	Loads   []load.Load
	Agents  []agents.Agent
	Repeats int
	Times   func(load.Load) load.Times
}

// Step is one run of a plan.
type Step struct {
	Load   load.Load
	Agent  agents.Agent
	Repeat int // from 1
}

// Steps lists the runs in their order.
func (p Plan) Steps() []Step {
	var steps []Step
	for _, l := range p.Loads {
		for repeat := 1; repeat <= p.Repeats; repeat++ {
			for _, a := range p.Agents {
				if l.Churn == 0 || a.Churn {
					steps = append(steps, Step{l, a, repeat})
				}
			}
		}
	}
	return steps
}

// Duration is about how long the steps take.
func (p Plan) Duration(steps []Step) time.Duration {
	const around = 4 * time.Second // starting, stopping, counting
	var d time.Duration
	for _, s := range steps {
		t := p.Times(s.Load)
		d += t.Warmup + t.Window + s.Load.Interval + around
	}
	return d
}

// Run makes the runs of the plan that are not in done, and calls took with each result as it
// comes.
func (p Plan) Run(ctx context.Context, b *Bench, done []Run, took func(Step, Run) error) error {
	for _, s := range p.Steps() {
		if has(done, s) {
			continue
		}
		run, err := b.Measure(ctx, s.Agent, s.Load, p.Times(s.Load), "")
		if err != nil {
			return err
		}
		run.Repeat = s.Repeat
		if err := took(s, run); err != nil {
			return err
		}
	}
	return nil
}

func has(runs []Run, s Step) bool {
	for _, r := range runs {
		if r.Load == s.Load.String() && r.Agent == s.Agent.Name && r.Repeat == s.Repeat {
			return true
		}
	}
	return false
}

// Journal is a file of runs, one JSON object a line after a line that says how they were
// made, so that a long campaign can be taken up again.
type Journal struct {
	file *os.File
}

// OpenJournal opens or creates a journal and returns the runs in it. It refuses one that
// was made in another way.
func OpenJournal(path string, made any) (*Journal, []Run, error) {
	fail := func(err error) (*Journal, []Run, error) {
		return nil, nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	want, err := json.Marshal(made)
	if err != nil {
		return fail(err)
	}
	var runs []Run
	old, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fail(err)
	default:
		defer old.Close()
		lines := bufio.NewScanner(old)
		if lines.Scan() && lines.Text() != string(want) {
			return fail(fmt.Errorf("its runs were made with other programs or flags; begin another file"))
		}
		for lines.Scan() {
			var r Run
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				break // the last line of a run that was cut
			}
			runs = append(runs, r)
		}
		if err := lines.Err(); err != nil {
			return fail(err)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return fail(err)
	}
	j := &Journal{file: f}
	if _, err := f.Write(append(want, '\n')); err != nil {
		return fail(err)
	}
	for _, r := range runs {
		if err := j.Add(r); err != nil {
			return nil, nil, err
		}
	}
	return j, runs, nil
}

// Add writes one run.
func (j *Journal) Add(r Run) error {
	line, err := json.Marshal(r)
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }
