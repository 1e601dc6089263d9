package remotewrite

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/telemetry"
)

func TestApplyLeavesUnchangedEndpointsAlone(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	rc, url := served(t, func(n int, _ request) reply {
		once.Do(func() { close(entered); <-release })
		return reply{status: 204}
	})
	same := func() *Config {
		cfg := config(url, MessageV1)
		cfg.WriteRelabelConfigs = []*relabel.Config{rule(relabel.Drop, "__name__", "(debug|trace)_.*", "", "$1")}
		cfg.HTTPClient.BasicAuth = &promconfig.BasicAuth{Username: "me", Password: "secret"}
		return cfg
	}
	r := newRig(t, Options{})
	r.apply(same())
	ep := (*r.endpoints.Load())[0]
	r.append(scrapeOf(target("a:1"), seriesSet(3), t0))
	r.start()
	<-entered
	r.apply(same()) // with a request in flight
	close(release)
	r.flush()
	if rc.count() != 1 || (*r.endpoints.Load())[0] != ep {
		t.Errorf("an unchanged endpoint was disturbed: %d requests", rc.count())
	}
	// Secrets count.
	changed := same()
	changed.HTTPClient.BasicAuth.Password = "other"
	if ep.settings.Load().same(changed, labels.EmptyLabels()) {
		t.Error("a changed password is no change")
	}
	if ep.settings.Load().same(same(), labels.FromStrings("a", "b")) {
		t.Error("changed external labels are no change")
	}
}

func TestApplyKeepsTheQueueOfAName(t *testing.T) {
	_, broken := served(t, play(times(1000, reply{status: 404})...))
	rc, works := served(t, nil)
	r := newRig(t, Options{})
	r.apply(config(broken, MessageV2))
	r.start()
	tgt, set := target("a:1"), seriesSet(3)
	r.append(scrapeOf(tgt, set, t0), scrapeOf(tgt, set, t0+1000))
	waitFor(t, func() bool { return r.sum("misconfigured") == 1 })
	if err := r.Apply([]*Config{config(works, MessageV1)}, labels.FromStrings("cluster", "x")); err != nil {
		t.Fatal(err)
	}
	r.append(scrapeOf(tgt, set, t0+2000))
	r.flush()
	r.books()
	r.want("misconfigured", 0)
	r.want("samples_dropped_total", 0)
	got := rc.got()
	// Queued bytes keep the labels of their time; new ones have the new external label.
	if len(got) != 9 || got[`{__name__="m0", instance="pod-1:8080", job="checkout"}@1790000001000`] != 1 ||
		got[`{__name__="m0", cluster="x", instance="pod-1:8080", job="checkout"}@1790000002000`] != 1 {
		t.Errorf("arrived: %v", got)
	}
	if st := r.Status()[0]; st.Protocol != MessageV1 || st.URL != works {
		t.Errorf("status %+v", st)
	}
}

func TestApplyRemovesEndpoints(t *testing.T) {
	rc, url := served(t, nil)
	_, broken := served(t, play(times(1000, reply{status: 503})...))
	kept, gone := config(url, MessageV1), config(broken, MessageV1)
	kept.Name, gone.Name = "kept", "gone"
	r := newRig(t, Options{})
	r.apply(gone, kept)
	stop := r.start()
	r.append(scrapeOf(target("a:1"), seriesSet(3), t0))
	removed := (*r.endpoints.Load())[0]
	r.apply(kept)
	r.want("samples_dropped_total", 3, "endpoint", "gone", "reason", "endpoint_removed")
	removed.append(scrapeOf(target("a:1"), seriesSet(3), t0+1000)) // one that was on its way
	r.want("samples_dropped_total", 6, "endpoint", "gone", "reason", "endpoint_removed")
	r.flush()
	r.books()
	if len(rc.got()) != 3 {
		t.Errorf("%d samples arrived", len(rc.got()))
	}
	r.want("queue_requests", 0, "endpoint", "gone")
	if st := r.Status(); len(st) != 1 || st[0].Name != "kept" {
		t.Errorf("status %+v", st)
	}
	r.apply(kept, gone) // it may come back
	r.append(scrapeOf(target("a:1"), seriesSet(3), t0+2000))
	stop()
	r.books()
}

func TestApplyErrorsChangeNothing(t *testing.T) {
	rc, url := served(t, nil)
	good := config(url, MessageV1)
	r := newRig(t, Options{})
	r.apply(good)
	r.start()
	with := func(change func(*Config)) *Config {
		cfg := config(url, MessageV1)
		change(cfg)
		return cfg
	}
	for _, c := range []struct {
		configs []*Config
		want    string
	}{
		{[]*Config{good, config("http://other/", MessageV1)}, `remote_write: more than one endpoint is named "main"`},
		{[]*Config{with(func(c *Config) { c.URL = nil })}, `remote_write "main": url is missing`},
		{[]*Config{with(func(c *Config) { c.URL = &promconfig.URL{} })}, `remote_write "main": url is missing`},
		{[]*Config{with(func(c *Config) { c.ProtobufMessage = "v3" })}, `remote_write "main": protobuf_message "v3" is neither prometheus.WriteRequest nor io.prometheus.write.v2.Request`},
		{[]*Config{with(func(c *Config) { c.WriteRelabelConfigs = []*relabel.Config{{Action: relabel.HashMod}} })}, `remote_write "main": write_relabel_configs: rule 1: relabel configuration for hashmod requires non-zero modulus`},
		{[]*Config{with(func(c *Config) { c.WriteRelabelConfigs = []*relabel.Config{nil} })}, `remote_write "main": write_relabel_configs: rule 1 is empty`},
		{[]*Config{with(func(c *Config) { c.HTTPClient.TLSConfig.CAFile = "/does/not/exist" })}, `remote_write "main": make HTTP client: unable to read CA cert`},
	} {
		err := r.Apply(c.configs, labels.EmptyLabels())
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
	r.append(scrapeOf(target("a:1"), seriesSet(3), t0))
	r.flush()
	if len(rc.got()) != 3 {
		t.Errorf("%d samples arrived", len(rc.got()))
	}
}

func TestEndpointsAreIndependent(t *testing.T) {
	rc, url := served(t, nil)
	_, broken := served(t, play(times(100_000, reply{status: 503})...))
	a, b := config(broken, MessageV1), config(url, MessageV2)
	a.Name, b.Name = "a", "b"
	b.WriteRelabelConfigs = []*relabel.Config{rule(relabel.Keep, "__name__", "m[01]", "", "$1")}
	r := newRig(t, Options{})
	r.apply(a, b)
	r.start()
	tgt, set := target("a:1"), seriesSet(4)
	for i := range int64(5) {
		r.append(scrapeOf(tgt, set, t0+i))
	}
	waitFor(t, func() bool { return len(rc.got()) == 10 })
	r.want("samples_skipped_total", 10, "endpoint", "b", "reason", "relabelled")
	r.want("samples_skipped_total", 10)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "a has 5 requests with 20 samples left") || strings.Contains(err.Error(), "b has") {
		t.Errorf("error %v", err)
	}
	r.books()
}

func TestConcurrentUse(t *testing.T) {
	rc, url := served(t, nil)
	r := newRig(t, Options{})
	r.apply(config(url, MessageV2))
	r.start()
	var wg sync.WaitGroup
	for _, name := range []string{"a:1", "b:1", "c:1"} {
		wg.Go(func() {
			tgt := target(name)
			set := telemetry.NewSeriesSet([]labels.Labels{labels.FromStrings("__name__", "up", "instance", name)}, make([]*telemetry.Metadata, 1))
			for i := range int64(200) {
				r.append(scrapeOf(tgt, set, t0+i))
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			cfg := config(url, MessageV2)
			cfg.SendExemplars = i%2 == 0
			r.apply(cfg)
			r.Status()
			time.Sleep(time.Millisecond)
		}
	})
	wg.Wait()
	r.flush()
	r.books()
	// Some may have come twice: a request in flight when its sender ends is sent again.
	if len(rc.got()) != 600 {
		t.Errorf("%d samples arrived", len(rc.got()))
	}
}

func TestNothingConfigured(t *testing.T) {
	r := newRig(t, Options{})
	r.start()
	r.append(scrapeOf(target("a:1"), seriesSet(1), t0))
	r.flush()
	if s := r.Status(); len(s) != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestMetricsAreClean(t *testing.T) {
	_, url := served(t, play(reply{status: 503}, reply{status: 400}, reply{status: 204}))
	r := newRig(t, Options{QuarantineDir: t.TempDir()})
	cfg := config(url, MessageV2)
	cfg.WriteRelabelConfigs = []*relabel.Config{rule(relabel.Drop, "__name__", "m0", "", "$1")}
	r.apply(cfg)
	r.append(scrapeOf(target("a:1"), seriesSet(5), t0))
	r.start()
	r.flush()
	problems, err := testutil.GatherAndLint(r.reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, _ := r.reg.Gather()
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "outrider_remote_write_") {
			t.Errorf("metric %s", f.GetName())
		}
	}
}
