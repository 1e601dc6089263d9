package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"outrider/demo/internal/stack"
)

// setup says how the sidecar of a rig is configured.
type setup struct {
	message     string // stack.MessageV1 or MessageV2
	shards      int    // 0 and 1: the default
	interval    time.Duration
	timeout     time.Duration // of a request
	targets     int
	shape       shape
	selfMetrics bool
	storage     string // empty: beside everything else of the rig
	writeURL    string // empty: that of a sink of the rig's own
	endpoint    string // further YAML of the endpoint
}

// rig is one sidecar between targets and a receiver, each of its own.
type rig struct {
	setup
	binary  string
	dir     string
	targets []*Target
	sink    *sink    // nil with a receiver of the case's own
	log     *os.File // of the sink
	address string

	sidecar *stack.Sidecar
	life    int
	probe   *probe // of the present life
	ends    map[int]end
	kills   []event
}

// newRig starts targets and receiver. Its owner calls close.
func newRig(binary, dir string, s setup) (_ *rig, err error) {
	r := &rig{setup: s, binary: binary, dir: dir, ends: map[int]end{}}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	if r.timeout == 0 {
		r.timeout = 5 * time.Second
	}
	for i := range s.targets {
		t, err := newTarget(fmt.Sprintf("t%d", i), s.shape)
		if err != nil {
			return nil, err
		}
		r.targets = append(r.targets, t)
	}
	if s.writeURL == "" {
		if r.sink, err = newSink(r.timeout, max(1, s.shards)); err != nil {
			return nil, err
		}
		r.writeURL = r.sink.URL
		if r.log, err = os.Create(filepath.Join(dir, "receiver.log")); err != nil {
			return nil, err
		}
		r.sink.logTo = r.log
	}
	r.address, err = freeAddress()
	return r, err
}

// yaml is the configuration of the present life.
func (r *rig) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "global: {scrape_interval: %s, scrape_timeout: %s}\nself_metrics: %v\n", r.interval, r.interval, r.selfMetrics)
	if len(r.targets) > 0 {
		fmt.Fprintf(&b, "scrape_configs:\n  - job_name: campaign\n    http_headers: {%s: {values: [\"%d\"]}}\n    static_configs:\n", lifeHeader, r.life)
		for _, t := range r.targets {
			fmt.Fprintf(&b, "      - {targets: [\"%s\"], labels: {target: %s}}\n", t.Address, t.name)
		}
	}
	fmt.Fprintf(&b, "remote_write:\n  - name: sink\n    url: %s\n    remote_timeout: %s\n    protobuf_message: %s\n", r.writeURL, r.timeout, r.message)
	if r.shards > 1 {
		fmt.Fprintf(&b, "    shards: %d\n", r.shards)
	}
	if r.endpoint != "" {
		fmt.Fprintf(&b, "    %s\n", r.endpoint)
	}
	return b.String()
}

// storageDir is what the sidecar keeps.
func (r *rig) storageDir() string {
	if r.storage != "" {
		return r.storage
	}
	return filepath.Join(r.dir, "storage")
}

// launch begins a life of the sidecar, and waits for nothing.
func (r *rig) launch() error {
	r.life++
	var err error
	r.sidecar, err = stack.LaunchSidecar(stack.SidecarOptions{
		Binary: r.binary, Dir: r.dir, Storage: r.storage, Address: r.address, LogDir: r.dir,
		Config: r.yaml(), Env: []string{"OUTRIDER_INSTANCE=campaign"},
	})
	if err == nil {
		r.probe = newProbe(r.sidecar.URL + "/-/healthy")
	}
	return err
}

// start begins a life and waits until the sidecar is ready.
func (r *rig) start(ctx context.Context) error {
	if err := r.launch(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("not ready after 30s"))
	defer cancel()
	return r.sidecar.AwaitReady(ctx)
}

// kill ends a life by SIGKILL. It is an error when the sidecar had ended by itself.
func (r *rig) kill() error {
	select {
	case <-r.sidecar.Done():
		return fmt.Errorf("the sidecar ended by itself in life %d: %w\n%s", r.life, r.sidecar.Err(), r.sidecar.Tail())
	default:
	}
	now := time.Now()
	r.ends[r.life] = end{now, r.probe.last()}
	r.sidecar.Kill()
	r.unprobe()
	r.kills = append(r.kills, event{now, max(1, r.shards), eventSidecar})
	return nil
}

// flush has the sidecar deliver all it has, within a time.
func (r *rig) flush(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not delivered after %s", within))
	defer cancel()
	return stack.Eventually(ctx, func(ctx context.Context) error {
		_, err := r.sidecar.Post(ctx, "/-/flush")
		return err
	})
}

// drain has the sidecar deliver all it has and ends it.
func (r *rig) drain(ctx context.Context) error {
	if err := r.flush(ctx, 2*time.Minute); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return r.stop(ctx)
}

// stop ends the last life in order. What it scraped is owed.
func (r *rig) stop(ctx context.Context) error {
	r.unprobe()
	now := time.Now()
	r.ends[r.life] = end{now, now} // it has all the time that it wants
	if err := r.sidecar.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return r.sidecar.Wait(ctx, 30*time.Second)
}

func (r *rig) unprobe() {
	if r.probe != nil {
		r.probe.stop()
		r.probe = nil
	}
}

// events are all that may excuse a repeat.
func (r *rig) events() []event {
	if r.sink == nil {
		return r.kills
	}
	return append(r.sink.Events(), r.kills...)
}

// served is how many bodies went out altogether.
func (r *rig) served() int {
	n := 0
	for _, t := range r.targets {
		n += t.Count()
	}
	return n
}

// close ends everything that still runs.
func (r *rig) close() {
	r.unprobe()
	if r.sidecar != nil {
		r.sidecar.Kill()
	}
	for _, t := range r.targets {
		t.stop()
	}
	if r.sink != nil {
		r.sink.close()
	}
	if r.log != nil {
		r.log.Close()
	}
}
