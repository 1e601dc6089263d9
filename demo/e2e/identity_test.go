package e2e

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"outrider/demo/internal/stack"
)

// pods are two copies of one service with a sidecar each.
var pods = []string{"pod-a", "pod-b"}

// TestTwoPodsInNamespaces gives both sidecars one and the same configuration: all that
// differs is POD_NAME. Each pod has a loopback of its own, as in Kubernetes.
func TestTwoPodsInNamespaces(t *testing.T) {
	r := newRig(t)
	namespaces := map[string]*stack.Netns{}
	for _, pod := range pods {
		ns, err := stack.NewNetns()
		if err != nil {
			t.Skip("not permitted here: ", err)
		}
		t.Cleanup(func() { ns.Close() })
		namespaces[pod] = ns
	}
	prom := r.prometheus(r.address("127.0.0.1"), "")
	pyroscope := r.pyroscope()
	const service, writes, profiles = "127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:4040"
	config := stack.SidecarConfig{
		ScrapeInterval: interval, Target: service, Message: stack.MessageV1,
		WriteURL: "http://" + writes + "/api/v1/write", PyroscopeURL: "http://" + profiles,
	}.YAML()

	ctx, cancel := context.WithCancel(r.ctx)
	var relays sync.WaitGroup
	t.Cleanup(func() { cancel(); relays.Wait() })
	relay := func(ns *stack.Netns, address, to string) {
		l, err := ns.Listen(address)
		r.must(err)
		relays.Go(func() { stack.Relay(ctx, l, func() (net.Conn, error) { return net.Dial("tcp", to) }) })
	}
	for _, pod := range pods {
		ns := namespaces[pod]
		relay(ns, writes, prom.URL[len("http://"):])
		relay(ns, profiles, pyroscope.URL[len("http://"):])
		s, err := stack.StartService(r.starting(), stack.ServiceOptions{
			Binary: binaries.Checkout, Name: "checkout-" + pod, Address: service, LogDir: r.dir, Netns: ns})
		r.must(err)
		t.Cleanup(s.Kill)
		o, err := stack.StartSidecar(r.starting(), stack.SidecarOptions{
			Binary: binaries.Outrider, Name: "outrider-" + pod, Dir: filepath.Join(r.dir, pod), Address: "127.0.0.1:9910",
			LogDir: r.dir, Config: config, Env: []string{"POD_NAME=" + pod}, Netns: ns})
		r.must(err)
		t.Cleanup(o.Kill)
	}
	checkTwoPods(r, prom, pyroscope, "8080")
}

// TestTwoPodsOnLoopback is the same on addresses of one loopback, so each sidecar also has to
// be told the address of its service.
func TestTwoPodsOnLoopback(t *testing.T) {
	r := newRig(t)
	hosts := map[string]string{"pod-a": "127.0.0.2", "pod-b": "127.0.0.3"}
	_, port, err := net.SplitHostPort(r.address(hosts["pod-a"]))
	r.must(err)
	prom := r.prometheus(r.address("127.0.0.1"), "")
	pyroscope := r.pyroscope()
	config := stack.SidecarConfig{
		ScrapeInterval: interval, Target: "${SERVICE_HOST}:" + port, Message: stack.MessageV2,
		WriteURL: prom.WriteURL(), PyroscopeURL: pyroscope.URL,
	}.YAML()
	for _, pod := range pods {
		s, err := stack.StartService(r.starting(), stack.ServiceOptions{
			Binary: binaries.Checkout, Name: "checkout-" + pod, Address: net.JoinHostPort(hosts[pod], port), LogDir: r.dir})
		r.must(err)
		t.Cleanup(s.Kill)
		o, err := stack.StartSidecar(r.starting(), stack.SidecarOptions{
			Binary: binaries.Outrider, Name: "outrider-" + pod, Dir: filepath.Join(r.dir, pod), Address: r.address(hosts[pod]),
			LogDir: r.dir, Config: config, Env: []string{"POD_NAME=" + pod, "SERVICE_HOST=" + hosts[pod]}})
		r.must(err)
		t.Cleanup(o.Kill)
	}
	checkTwoPods(r, prom, pyroscope, port)
}

// checkTwoPods wants two of each series and nothing refused.
func checkTwoPods(r *rig, prom *stack.Prometheus, pyroscope *stack.Pyroscope, port string) {
	r.Helper()
	r.reaches(prom, `min(count_over_time(up{job="checkout"}[1h]) > 3) and count(up{job="checkout"}) == 2`, 4)
	for _, query := range []string{`up{job="checkout"} == 1`, `go_goroutines{job="checkout"}`, `process_cpu_seconds_total{job="outrider"}`} {
		v, err := prom.Query(r.ctx, query)
		r.must(err)
		var got []string
		for _, s := range v {
			got = append(got, string(s.Metric["pod"]))
		}
		slices.Sort(got)
		if !slices.Equal(got, pods) {
			r.Errorf("%s is of %v, want one of each of %v", query, got, pods)
		}
	}
	series := map[string]float64{}
	for _, pod := range pods {
		series[pod] = r.value(prom, `count({job="checkout",instance="`+pod+":"+port+`"})`)
	}
	if a, b := series["pod-a"], series["pod-b"]; a != b || a < 100 {
		r.Errorf("series by pod: %v, want as many of each", series)
	}
	want := []string{"pod-a:" + port, "pod-b:" + port}
	r.eventually("profiles of both pods", func(context.Context) error {
		for _, st := range pyroscope.Summary().Stored {
			if st.Name == "goroutine" && slices.Equal(st.Instances, want) {
				return nil
			}
		}
		return fmt.Errorf("stored: %+v", pyroscope.Summary().Stored)
	})
	r.noRejects(prom)
	if sum := pyroscope.Summary(); sum.Refused() > 0 {
		r.Errorf("refused by Pyroscope: %v (%s)", sum.Rejected, sum.LastError)
	}
}
