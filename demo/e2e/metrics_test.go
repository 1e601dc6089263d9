package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"outrider/demo/internal/stack"
)

// protocols are the remote-write protocols by their version.
var protocols = map[string]string{"1.0": stack.MessageV1, "2.0": stack.MessageV2}

// counters matches series whose value only grows.
var counters = regexp.MustCompile(`^[^{]*_(total|bucket|count)\{`)

// ofScrapes matches the series that a sidecar adds to what the service says.
var ofScrapes = regexp.MustCompile(`^(up|scrape_duration_seconds|scrape_samples_scraped|scrape_samples_post_metric_relabeling|scrape_series_added)\{`)

// TestSamplesArrive compares what the service exposes with what Prometheus has of it.
func TestSamplesArrive(t *testing.T) {
	for version, message := range protocols {
		t.Run(version, func(t *testing.T) {
			r := newRig(t)
			prom := r.prometheus(r.address("127.0.0.1"), "")
			service := r.service(r.address("127.0.0.1"))
			r.load(service)
			sidecar := r.sidecar(config(service, prom, message))
			r.reaches(prom, `count_over_time(up{job="checkout"}[1h])`, 5)

			exposed := func() map[string]float64 {
				text, err := stack.Get(r.ctx, service.URL+"/metrics")
				r.must(err)
				m, err := stack.ParseMetrics(text)
				r.must(err)
				return m
			}
			before := exposed()
			r.flush(sidecar)
			after, at := exposed(), time.Now()
			vector, err := prom.QueryAt(r.ctx, `{job="checkout"}`, at)
			r.must(err)

			_, port, _ := strings.Cut(service.Address, ":")
			ours := map[string]string{"job": "checkout", "instance": "pod-1:" + port, "pod": "pod-1"}
			stored, added := map[string]float64{}, map[string]float64{}
			for _, s := range vector {
				name := seriesOf(t, s.Metric, ours)
				if ofScrapes.MatchString(name) {
					added[name] = float64(s.Value)
				} else {
					stored[name] = float64(s.Value)
				}
			}
			if len(before) < 100 {
				t.Errorf("the service exposes %d series, too few to mean much", len(before))
			}
			for name, v := range before {
				got, ok := stored[name]
				if !ok {
					t.Errorf("%s did not arrive", name)
				} else if counters.MatchString(name) && (got < v || got > after[name]) {
					t.Errorf("%s is %v, but was %v before the scrape and %v after it", name, got, v, after[name])
				}
			}
			for name := range stored {
				if _, ok := after[name]; !ok {
					t.Errorf("%s arrived but is not exposed", name)
				}
			}
			for name, want := range map[string]float64{
				"up{}":                     1,
				"scrape_samples_scraped{}": float64(len(stored)),
				"scrape_samples_post_metric_relabeling{}": float64(len(stored)),
			} {
				if got := added[name]; got != want {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
			}
			if len(added) != 5 {
				t.Errorf("of the scrapes: %v, want five series", added)
			}

			// Each scrape is there once.
			scrapes := r.metric(sidecar, `outrider_scrapes_total{target_job="checkout"}`)
			got := r.value(prom, `count_over_time(up{job="checkout"}[1h])`)
			if got < scrapes || got > scrapes+1 { // another one may have come since
				t.Errorf("%v samples of up after %v scrapes", got, scrapes)
			}
			r.value(prom, `outrider_scrapes_total{job="outrider",target_job="checkout"}`)
			r.noRejects(prom)
		})
	}
}

// seriesOf names a stored series as the service does, without the labels that are ours, which
// it wants to see.
func seriesOf(t *testing.T, m model.Metric, ours map[string]string) string {
	t.Helper()
	labels := map[string]string{}
	for name, value := range m {
		labels[string(name)] = string(value)
	}
	name := labels["__name__"]
	delete(labels, "__name__")
	for l, want := range ours {
		if labels[l] != want {
			t.Errorf("%s has %s=%q, want %q", name, l, labels[l], want)
		}
		delete(labels, l)
	}
	return stack.SeriesName(name, labels)
}

// TestEndOfSidecar wants no series to outlive the sidecar by more than a moment.
func TestEndOfSidecar(t *testing.T) {
	r := newRig(t)
	prom := r.prometheus(r.address("127.0.0.1"), "")
	service := r.service(r.address("127.0.0.1"))
	sidecar := r.sidecar(config(service, prom, stack.MessageV1))
	r.reaches(prom, `count_over_time(up{job="checkout"}[1h])`, 3)
	scrapes := r.metric(sidecar, `outrider_scrapes_total{target_job="checkout"}`)

	r.must(sidecar.Stop(r.ctx, 20*time.Second))
	for _, query := range []string{`up`, `go_goroutines`, `{job="checkout"}`, `{job="outrider"}`} {
		v, err := prom.Query(r.ctx, query)
		r.must(err)
		if len(v) > 0 {
			t.Errorf("%s still has %d series after the end: %v", query, len(v), v[0])
		}
	}
	// The last scrape is taken at the end.
	if got := r.value(prom, `count_over_time(up{job="checkout"}[1h])`); got <= scrapes {
		t.Errorf("%v samples of up, want more than the %v before the end", got, scrapes)
	}
	r.noRejects(prom)
}

// TestPull has Prometheus scrape what the sidecar scraped.
func TestPull(t *testing.T) {
	r := newRig(t)
	service := r.service(r.address("127.0.0.1"))
	sidecar := r.sidecar("global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: checkout\n    static_configs: [{targets: [\"" + service.Address + "\"]}]\n")
	_, address, _ := strings.Cut(sidecar.URL, "//")
	prom := r.prometheus(r.address("127.0.0.1"), `
  - job_name: pull
    honor_labels: true
    metrics_path: /targets/metrics
    static_configs:
      - targets: ["`+address+`"]
`)
	_, port, _ := strings.Cut(service.Address, ":")
	r.value(prom, `go_goroutines{job="checkout",instance="pod-1:`+port+`"}`)
	if got := r.value(prom, `up{job="pull"}`); got != 1 {
		t.Errorf("the scrape of the sidecar: up is %v", got)
	}
	r.reaches(prom, `count({job="checkout"})`, 100)
}

// TestEnvironmentAlone runs the sidecar without a file.
func TestEnvironmentAlone(t *testing.T) {
	r := newRig(t)
	prom := r.prometheus(r.address("127.0.0.1"), "")
	pyroscope := r.pyroscope()
	service := r.service(r.address("127.0.0.1"))
	sidecar := r.sidecar("",
		"OUTRIDER_SERVICE=basket",
		"OUTRIDER_TARGET="+service.Address,
		"OUTRIDER_LABELS=team=shop",
		"OUTRIDER_REMOTE_WRITE_URL="+prom.WriteURL(),
		"OUTRIDER_PYROSCOPE_URL="+pyroscope.URL,
		"POD_NAMESPACE=prod",
	)
	r.eventually("the service is discovered", func(ctx context.Context) error {
		status, err := sidecar.Status(ctx)
		if err == nil && target(status, "basket").Name == "" {
			err = fmt.Errorf("targets: %+v", status.Targets)
		}
		return err
	})
	r.flush(sidecar)
	if got := r.value(prom, `up{job="basket",pod="pod-1",namespace="prod",team="shop"}`); got != 1 {
		t.Errorf("up is %v", got)
	}
}
