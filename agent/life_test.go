package agent

import (
	"net/url"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"outrider/telemetry"
)

func lifeTarget(instance string) *telemetry.Target {
	return &telemetry.Target{
		Job:    "shop",
		URL:    &url.URL{Scheme: "http", Host: "localhost:8080", Path: "/metrics"},
		Labels: labels.FromStrings("job", "shop", "instance", instance),
	}
}

func TestLives(t *testing.T) {
	target := lifeTarget("pod-1:8080")
	set := telemetry.NewSeriesSet([]labels.Labels{
		labels.FromStrings("__name__", "up"),
		labels.FromStrings("__name__", "process_start_time_seconds"),
	}, make([]*telemetry.Metadata, 2))
	bare := telemetry.NewSeriesSet([]labels.Labels{labels.FromStrings("__name__", "up")}, make([]*telemetry.Metadata, 1))

	l := newLives()
	if _, ok := l.Life(target); ok {
		t.Error("a life is known before any scrape")
	}
	scrape := func(series *telemetry.SeriesSet, failed bool, values ...float64) {
		t.Helper()
		if err := l.Sink(&telemetry.Scrape{Target: target, Series: series, Values: values, Failed: failed}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(seconds float64) {
		t.Helper()
		got, ok := l.Life(target)
		if !ok || !got.Equal(time.UnixMilli(int64(seconds*1000))) {
			t.Errorf("life began at %v (%v), want %v s", got, ok, seconds)
		}
	}
	scrape(set, false, 1, 1700000000.25)
	want(1700000000.25)
	scrape(set, false, 1, 1700000100) // restarted, same shape
	want(1700000100)
	scrape(bare, false, 1) // no longer told: the last known one stays
	want(1700000100)
	scrape(bare, true, 0)
	want(1700000100)
	scrape(set, false, 1, -1) // nonsense
	want(1700000100)

	// A profile target has another URL and more labels, but the same job and instance.
	profiled := &telemetry.Target{
		Job:    "shop-profiles",
		URL:    &url.URL{Scheme: "http", Host: "localhost:6060", Path: "/debug/pprof"},
		Labels: labels.FromStrings("job", "shop", "instance", "pod-1:8080", "service_name", "shop"),
	}
	if _, ok := l.Life(profiled); !ok {
		t.Error("the profile target of the same instance has no life")
	}

	l.keep(map[string][]*telemetry.Target{"shop": {lifeTarget("pod-2:8080")}})
	if _, ok := l.Life(target); ok {
		t.Error("a target that is gone is still remembered")
	}
}
