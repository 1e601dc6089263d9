package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"outrider/demo/internal/stack"
	"outrider/demo/pyrodouble"
)

// TestProfiles wants all five types to arrive, and none to be lost when the receiver is out
// of service for a while.
func TestProfiles(t *testing.T) {
	r := newRig(t)
	prom := r.prometheus(r.address("127.0.0.1"), "")
	pyroscope := r.pyroscope()
	service := r.service(r.address("127.0.0.1"))
	r.load(service)
	sidecar := r.sidecar(stack.SidecarConfig{
		ScrapeInterval: interval, Target: service.Address, WriteURL: prom.WriteURL(), Message: stack.MessageV1, PyroscopeURL: pyroscope.URL,
	}.YAML())

	names := []string{"process_cpu", "memory", "goroutine", "mutex", "block"}
	each := func(least int) func(context.Context) error {
		return func(context.Context) error {
			sum := pyroscope.Summary()
			for _, name := range names {
				if n := sum.Profiles("checkout", name); n < least {
					return fmt.Errorf("%d of %s, want %d; %+v", n, name, least, sum)
				}
			}
			return nil
		}
	}
	r.eventually("profiles of each type", each(1))
	// What is cumulative begins to count with the second capture of a life.
	r.eventually("a sum of each sample type", func(ctx context.Context) error {
		totals, err := pyroscope.Totals(ctx, "checkout")
		if err != nil {
			return err
		}
		for _, id := range []string{
			"process_cpu:cpu:nanoseconds:cpu:nanoseconds", "process_cpu:samples:count:cpu:nanoseconds",
			"memory:alloc_objects:count:space:bytes", "memory:alloc_space:bytes:space:bytes",
			"memory:inuse_objects:count:space:bytes", "memory:inuse_space:bytes:space:bytes",
			"goroutine:goroutine:count:goroutine:count",
			"mutex:contentions:count:contentions:count", "mutex:delay:nanoseconds:contentions:count",
			"block:contentions:count:contentions:count", "block:delay:nanoseconds:contentions:count",
		} {
			if totals[id] <= 0 {
				return fmt.Errorf("%s adds up to %d; there is %v", id, totals[id], totals)
			}
		}
		return nil
	})
	_, port, _ := strings.Cut(service.Address, ":")
	for _, st := range pyroscope.Summary().Stored {
		if st.Service != "checkout" || len(st.Instances) != 1 || st.Instances[0] != "pod-1:"+port {
			t.Errorf("%s is of service %s, instances %v", st.Name, st.Service, st.Instances)
		}
	}

	pyroscope.SetOutage(pyrodouble.Reset)
	r.eventually("a push into the outage", func(context.Context) error {
		if pyroscope.Summary().Outage == 0 {
			return errors.New("none")
		}
		return nil
	})
	pyroscope.SetOutage(pyrodouble.None)
	r.flush(sidecar)
	lost, err := sidecar.Lost(r.ctx)
	r.must(err)
	if sum := pyroscope.Summary(); sum.Refused() > 0 || len(lost) > 0 {
		t.Errorf("refused: %v (%s); lost: %v", sum.Rejected, sum.LastError, lost)
	}
	r.eventually("profiles after the outage", each(2))
}

// TestForeignProfiler has Pyroscope's SDK own the CPU profiler of the service: the sidecar
// says so, takes the other profiles, and scrapes on.
func TestForeignProfiler(t *testing.T) {
	r := newRig(t)
	prom := r.prometheus(r.address("127.0.0.1"), "")
	pyroscope := r.pyroscope()
	service, err := stack.StartService(r.starting(), stack.ServiceOptions{
		Binary: binaries.Checkout, Address: r.address("127.0.0.1"), LogDir: r.dir,
		Args: []string{"-sdk", "-pyroscope=" + pyroscope.URL},
	})
	r.must(err)
	t.Cleanup(service.Kill)
	sidecar := r.sidecar(stack.SidecarConfig{
		ScrapeInterval: interval, Target: service.Address, WriteURL: prom.WriteURL(), Message: stack.MessageV1, PyroscopeURL: pyroscope.URL,
	}.YAML())
	r.eventually("the owner is named", func(ctx context.Context) error {
		status, err := sidecar.Status(ctx)
		if err != nil {
			return err
		}
		errs := map[string]string{}
		for _, p := range status.Profiles {
			errs[p.Type] = p.LastError
			if p.Type != "cpu" && (p.LastCapture.IsZero() || p.LastError != "") {
				return fmt.Errorf("%s: last capture %s, error %q", p.Type, p.LastCapture, p.LastError)
			}
		}
		if !strings.Contains(errs["cpu"], "in use") {
			return fmt.Errorf("errors by type: %v", errs)
		}
		return nil
	})
	if got := r.value(prom, `up{job="checkout"}`); got != 1 {
		t.Errorf("up is %v", got)
	}
}

// TestSelfProfiles has the sidecar profile itself.
func TestSelfProfiles(t *testing.T) {
	r := newRig(t)
	prom := r.prometheus(r.address("127.0.0.1"), "")
	pyroscope := r.pyroscope()
	service := r.service(r.address("127.0.0.1"))
	r.sidecar("self_profiles: true\n" + stack.SidecarConfig{
		ScrapeInterval: interval, Target: service.Address, WriteURL: prom.WriteURL(), Message: stack.MessageV1, PyroscopeURL: pyroscope.URL,
	}.YAML())
	r.eventually("its own profiles", func(context.Context) error {
		sum := pyroscope.Summary()
		for _, name := range []string{"process_cpu", "memory"} {
			if sum.Profiles("outrider", name) == 0 {
				return fmt.Errorf("no %s of outrider; %+v", name, sum)
			}
		}
		return nil
	})
	if sum := pyroscope.Summary(); sum.Refused() > 0 {
		t.Errorf("refused: %v (%s)", sum.Rejected, sum.LastError)
	}
}
