package e2e

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"outrider/demo/internal/stack"
	"outrider/telemetry"
)

// outage is how long backends are down: ten seconds, or what OUTRIDER_E2E_OUTAGE says.
func outage(t *testing.T) time.Duration {
	s := os.Getenv("OUTRIDER_E2E_OUTAGE")
	if s == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestBackendOutage kills Prometheus under load and wants no gap afterwards.
func TestBackendOutage(t *testing.T) {
	for version, message := range protocols {
		t.Run(version, func(t *testing.T) {
			r := newRig(t)
			address := r.address("127.0.0.1")
			prom := r.prometheus(address, "")
			service := r.service(r.address("127.0.0.1"))
			r.load(service)
			sidecar := r.sidecar(config(service, prom, message))
			r.reaches(prom, `count_over_time(up{job="checkout"}[1h])`, 3)

			const scrapesTotal = `outrider_scrapes_total{target_job="checkout"}`
			prom.Kill()
			missed := r.metric(sidecar, scrapesTotal) + outage(t).Seconds()/interval.Seconds()
			r.eventually("scrapes while the backend is down", func(ctx context.Context) error {
				v, err := metric(ctx, sidecar, scrapesTotal)
				if err == nil && v < missed {
					err = fmt.Errorf("%v scrapes, want %v", v, missed)
				}
				return err
			})
			prom = r.prometheus(address, "")
			r.eventually("the queue drains", func(ctx context.Context) error {
				_, err := sidecar.Post(ctx, "/-/flush")
				return err
			})

			scrapes := r.metric(sidecar, scrapesTotal)
			for _, query := range []string{
				`count_over_time(up{job="checkout"}[1h])`,
				`count_over_time(process_cpu_seconds_total{job="checkout"}[1h])`,
			} {
				got := r.value(prom, query)
				if got < scrapes || got > scrapes+1 { // another one may have come since
					t.Errorf("%s is %v after %v scrapes", query, got, scrapes)
				}
			}
			if got := r.value(prom, `min_over_time(up{job="checkout"}[1h])`); got != 1 {
				t.Errorf("up was %v although the service answered", got)
			}
			lost, err := sidecar.Lost(r.ctx)
			r.must(err)
			if len(lost) > 0 {
				t.Errorf("lost: %v", lost)
			}
			r.noRejects(prom)
		})
	}
}

// TestDrain ends the sidecar while its backend is away: what waits is delivered if the
// backend comes back in time.
func TestDrain(t *testing.T) {
	r := newRig(t)
	address := r.address("127.0.0.1")
	prom := r.prometheus(address, "")
	service := r.service(r.address("127.0.0.1"))
	sidecar := r.sidecar(config(service, prom, stack.MessageV1))
	r.reaches(prom, `count_over_time(up{job="checkout"}[1h])`, 2)

	prom.Kill()
	r.eventually("a queue", func(ctx context.Context) error {
		status, err := sidecar.Status(ctx)
		if err == nil && (len(status.Endpoints) != 1 || status.Endpoints[0].Queued < 3) {
			err = fmt.Errorf("endpoints: %+v", status.Endpoints)
		}
		return err
	})
	scrapes := r.metric(sidecar, `outrider_scrapes_total{target_job="checkout"}`)
	r.must(sidecar.Signal(syscall.SIGTERM))
	prom = r.prometheus(address, "")
	r.must(sidecar.Wait(r.ctx, 20*time.Second)) // a second signal would cut the drain short

	if got := r.value(prom, `count_over_time(up{job="checkout"}[1h])`); got < scrapes+1 {
		t.Errorf("%v samples of up, want those of %v scrapes and of the last one", got, scrapes)
	}
	v, err := prom.Query(r.ctx, "up")
	r.must(err)
	if len(v) > 0 {
		t.Errorf("up outlives the sidecar: %v", v)
	}
	r.noRejects(prom)
}

// TestEverythingElseDown wants a sidecar that says it is well when it alone is.
func TestEverythingElseDown(t *testing.T) {
	r := newRig(t)
	address := r.address("127.0.0.1")
	prom := r.prometheus(address, "")
	service := r.service(r.address("127.0.0.1"))
	sidecar := r.sidecar(config(service, prom, stack.MessageV1))
	r.reaches(prom, `count_over_time(up{job="checkout"}[1h])`, 1)
	service.Kill()
	prom.Kill()
	r.eventually("the sidecar notices", func(ctx context.Context) error {
		status, err := sidecar.Status(ctx)
		if err != nil {
			return err
		}
		if t := target(status, "checkout"); t.Health != telemetry.HealthDown || t.LastError == "" {
			return fmt.Errorf("target: %+v", t)
		}
		if len(status.Endpoints) != 1 || status.Endpoints[0].LastError == "" {
			return fmt.Errorf("endpoints: %+v", status.Endpoints)
		}
		return nil
	})
	for _, path := range []string{"/-/ready", "/-/healthy"} {
		if _, err := sidecar.Get(r.ctx, path); err != nil {
			t.Error(err)
		}
	}

	// What happened meanwhile is told afterwards.
	prom = r.prometheus(address, "")
	r.reaches(prom, `count_over_time((up{job="checkout"} == 0)[1h:1s])`, 1)
	v, err := prom.Query(r.ctx, `go_goroutines{job="checkout"}`)
	r.must(err)
	if len(v) > 0 {
		t.Errorf("the series of a service that is down are not stale: %v", v)
	}
}
