package e2e

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"outrider/demo/internal/stack"
	"outrider/demo/pyrodouble"
)

// interval is how often the sidecar scrapes.
const interval = time.Second

// patience is how long a test waits for anything that should happen.
const patience = 45 * time.Second

// rig is the parts of one test. Everything ends with the test; if it failed, the logs are
// shown.
type rig struct {
	*testing.T
	ctx context.Context
	dir string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	r := &rig{T: t, ctx: ctx, dir: t.TempDir()}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		logs, _ := filepath.Glob(filepath.Join(r.dir, "*.log"))
		for _, file := range logs {
			b, _ := os.ReadFile(file)
			if n := len(b) - 4<<10; n > 0 {
				b = b[n:]
			}
			t.Logf("end of %s:\n%s", filepath.Base(file), b)
		}
	})
	return r
}

// must ends the test on an error.
func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// eventually waits until probe returns nil.
func (r *rig) eventually(what string, probe func(context.Context) error) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	if err := stack.Eventually(ctx, probe); err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

// starting bounds the start of a part.
func (r *rig) starting() context.Context {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	r.Cleanup(cancel)
	return ctx
}

func (r *rig) address(host string) string {
	r.Helper()
	address, err := stack.FreeAddress(host)
	r.must(err)
	return address
}

// prometheus starts a Prometheus at an address; its data stays where it was before.
func (r *rig) prometheus(address, scrapeConfigs string) *stack.Prometheus {
	r.Helper()
	p, err := stack.StartPrometheus(r.starting(), stack.PrometheusOptions{
		Binary: binaries.Prometheus, Dir: filepath.Join(r.dir, "prometheus"),
		Address: address, LogDir: r.dir, ScrapeConfigs: scrapeConfigs,
	})
	r.must(err)
	r.Cleanup(p.Kill)
	return p
}

// service starts a checkout without customers.
func (r *rig) service(address string) *stack.Service {
	r.Helper()
	s, err := stack.StartService(r.starting(), stack.ServiceOptions{Binary: binaries.Checkout, Address: address, LogDir: r.dir})
	r.must(err)
	r.Cleanup(s.Kill)
	return s
}

// load sends customers to a service.
func (r *rig) load(s *stack.Service) {
	r.Helper()
	p, err := stack.StartLoad(binaries.Loadgen, s.URL, 50, r.dir)
	r.must(err)
	r.Cleanup(p.Kill)
}

// pyroscope starts a double with a folder of its own.
func (r *rig) pyroscope() *stack.Pyroscope {
	r.Helper()
	p, err := stack.StartPyroscope("127.0.0.1:0", pyrodouble.Options{Dir: r.TempDir()})
	r.must(err)
	r.Cleanup(func() { _ = p.Stop() })
	return p
}

// sidecar starts an outrider in pod-1 with a configuration; empty means the environment is it.
func (r *rig) sidecar(config string, env ...string) *stack.Sidecar {
	r.Helper()
	s, err := stack.StartSidecar(r.starting(), stack.SidecarOptions{
		Binary: binaries.Outrider, Dir: filepath.Join(r.dir, "outrider"), Address: r.address("127.0.0.1"),
		LogDir: r.dir, Config: config, Env: append([]string{"POD_NAME=pod-1"}, env...),
	})
	r.must(err)
	r.Cleanup(s.Kill)
	return s
}

// config is the configuration of a sidecar beside a service, without profiles.
func config(s *stack.Service, p *stack.Prometheus, message string) string {
	return stack.SidecarConfig{ScrapeInterval: interval, Target: s.Address, WriteURL: p.WriteURL(), Message: message}.YAML()
}

// flush has the sidecar scrape and deliver everything now.
func (r *rig) flush(s *stack.Sidecar) {
	r.Helper()
	_, err := s.Post(r.ctx, "/-/flush")
	r.must(err)
}

// value waits until the query has one value and returns it.
func (r *rig) value(p *stack.Prometheus, query string) float64 {
	r.Helper()
	value := math.NaN()
	r.eventually(query, func(ctx context.Context) error {
		v, err := p.Query(ctx, query)
		if err != nil {
			return err
		}
		if len(v) != 1 {
			return fmt.Errorf("%d series, want one", len(v))
		}
		value = float64(v[0].Value)
		return nil
	})
	return value
}

// reaches waits until the value of the query is at least least.
func (r *rig) reaches(p *stack.Prometheus, query string, least float64) {
	r.Helper()
	r.eventually(query, func(ctx context.Context) error {
		v, err := p.Scalar(ctx, query)
		if err == nil && v < least {
			err = fmt.Errorf("%v, want at least %v", v, least)
		}
		return err
	})
}

// noRejects wants a Prometheus that has refused nothing.
func (r *rig) noRejects(p *stack.Prometheus) {
	r.Helper()
	rejects, err := p.Rejects(r.ctx)
	r.must(err)
	if len(rejects) > 0 {
		r.Errorf("rejected by Prometheus: %v", rejects)
	}
}

// metric returns one of the sidecar's own metrics.
func (r *rig) metric(s *stack.Sidecar, series string) float64 {
	r.Helper()
	v, err := metric(r.ctx, s, series)
	r.must(err)
	return v
}

func metric(ctx context.Context, s *stack.Sidecar, series string) (float64, error) {
	metrics, err := s.Metrics(ctx)
	if err != nil {
		return 0, err
	}
	v, ok := metrics[series]
	if !ok {
		return 0, errors.New("the sidecar has no metric " + series)
	}
	return v, nil
}
