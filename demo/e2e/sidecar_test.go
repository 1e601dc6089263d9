package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"outrider/agent/console"
	"outrider/demo/internal/stack"
)

// target returns the target of a job, or an empty one.
func target(s console.Status, job string) console.TargetStatus {
	for _, t := range s.Targets {
		if t.Job == job {
			return t
		}
	}
	return console.TargetStatus{}
}

// TestPromtool checks the sidecar's own metrics after some of everything.
func TestPromtool(t *testing.T) {
	r := newRig(t)
	prom := r.prometheus(r.address("127.0.0.1"), "")
	pyroscope := r.pyroscope()
	service := r.service(r.address("127.0.0.1"))
	sidecar := r.sidecar(stack.SidecarConfig{
		ScrapeInterval: interval, Target: service.Address, WriteURL: prom.WriteURL(), Message: stack.MessageV2, PyroscopeURL: pyroscope.URL,
	}.YAML())
	r.reaches(prom, `count_over_time(up{job="checkout"}[1h])`, 2)
	r.flush(sidecar)
	text, err := sidecar.Get(r.ctx, "/metrics")
	r.must(err)
	cmd := exec.CommandContext(r.ctx, promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// TestReload wants a bad file to change nothing and a good one to take effect.
func TestReload(t *testing.T) {
	r := newRig(t)
	prom := r.prometheus(r.address("127.0.0.1"), "")
	service := r.service(r.address("127.0.0.1"))
	good := config(service, prom, stack.MessageV1)
	sidecar := r.sidecar(good)
	r.reaches(prom, `count_over_time(up{job="checkout"}[1h])`, 2)
	write := func(text string) { r.must(os.WriteFile(sidecar.ConfigFile, []byte(text), 0o644)) }
	const successful = "outrider_config_last_reload_successful{}"

	write(strings.Replace(good, "scrape_configs:", "scrape_config:", 1))
	_, err := sidecar.Post(r.ctx, "/-/reload")
	if err == nil || !strings.Contains(err.Error(), "scrape_config") {
		t.Errorf("reload of a misspelt key: %v", err)
	}
	if got := r.metric(sidecar, successful); got != 0 {
		t.Errorf("after a bad file %s is %v, want 0", successful, got)
	}
	scrapes := r.metric(sidecar, `outrider_scrapes_total{target_job="checkout"}`)
	r.eventually("the running configuration goes on", func(ctx context.Context) error {
		v, err := metric(ctx, sidecar, `outrider_scrapes_total{target_job="checkout"}`)
		if err == nil && v < scrapes+2 {
			err = fmt.Errorf("%v scrapes, were %v", v, scrapes)
		}
		return err
	})

	other := r.service(r.address("127.0.0.1"))
	write(strings.Replace(good, "scrape_configs:", "scrape_configs:\n  - job_name: other\n    static_configs: [{targets: [\""+other.Address+"\"]}]", 1))
	r.must(sidecar.Signal(syscall.SIGHUP))
	r.eventually("SIGHUP", func(ctx context.Context) error {
		v, err := metric(ctx, sidecar, successful)
		if err == nil && v != 1 {
			err = errors.New("not reloaded")
		}
		return err
	})
	if got := r.value(prom, `up{job="other"}`); got != 1 {
		t.Errorf("the new job: up is %v", got)
	}

	// The old target was scraped throughout: no scrape is missing, none is there twice.
	r.flush(sidecar)
	scrapes = r.metric(sidecar, `outrider_scrapes_total{target_job="checkout"}`)
	got := r.value(prom, `count_over_time(up{job="checkout"}[1h])`)
	if got < scrapes || got > scrapes+1 {
		t.Errorf("%v samples of up after %v scrapes", got, scrapes)
	}
	r.noRejects(prom)
}
