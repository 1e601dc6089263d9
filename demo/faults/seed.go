package faults

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"syscall"
	"time"

	"github.com/golang/snappy"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"outrider/agent/remotewrite"
	"outrider/telemetry"
)

// lset is what the sidecar makes of the labels of a series of the first target.
func (r *rig) lset(name, labelName, label string) labels.Labels {
	l := []string{"__name__", name, "instance", "campaign:" + r.targets[0].port(), "job", "campaign", "target", r.targets[0].name}
	if labelName != "" {
		l = append(l, labelName, label)
	}
	return labels.FromStrings(l...)
}

// seed fills the spool of the first target as a sidecar would have, that scraped all the time
// and never reached its receiver. It returns how many scrapes there are.
func (r *rig) seed(ctx context.Context, from, to time.Time, step time.Duration) (int, error) {
	u, err := url.Parse(r.writeURL)
	if err != nil {
		return 0, err
	}
	// A child that is started meanwhile would hold the lock of the spool until it is executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	m := remotewrite.New(remotewrite.Options{
		Logger:        slog.New(slog.DiscardHandler),
		UserAgent:     "campaign",
		QuarantineDir: filepath.Join(r.storageDir(), "quarantine"),
		SpoolDir:      filepath.Join(r.storageDir(), "spool"),
	})
	if err := m.Apply([]*remotewrite.Config{{
		Name: "sink", URL: &promconfig.URL{URL: u}, ProtobufMessage: r.message,
		RemoteTimeout: model.Duration(r.timeout), SendNativeHistograms: true,
	}}, labels.EmptyLabels()); err != nil {
		return 0, err
	}
	t := r.targets[0]
	where, err := url.Parse(t.URL)
	if err != nil {
		return 0, err
	}
	target := &telemetry.Target{Job: "campaign", URL: where, Labels: labels.FromStrings(
		"instance", "campaign:"+t.port(), "job", "campaign", "target", t.name)}
	var (
		set    *telemetry.SeriesSet
		values []float64
		n      = 0
	)
	for at := from; at.Before(to); at = at.Add(step) {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		n++
		if set == nil || n%churnEvery == 0 {
			var series []labels.Labels
			t.shape.each(n, func(name, labelName, label string, _ float64) {
				series = append(series, r.lset(name, labelName, label))
			})
			set = telemetry.NewSeriesSet(series, make([]*telemetry.Metadata, len(series)))
		}
		values = values[:0]
		t.shape.each(n, func(_, _, _ string, v float64) { values = append(values, v) })
		if err := m.Append(&telemetry.Scrape{Target: target, TimeMs: at.UnixMilli(), Series: set, Values: values}); err != nil {
			return n, err
		}
	}
	t.skipTo(n + 1)
	return n, m.Close()
}

// pushNow writes a sample of now for each series of the next body to a receiver, as another
// way to it would have.
func (r *rig) pushNow(ctx context.Context, to string) error {
	var req prompb.WriteRequest
	now := time.Now().UnixMilli()
	t := r.targets[0]
	t.shape.each(t.nextBody(), func(name, labelName, label string, v float64) {
		ts := prompb.TimeSeries{Samples: []prompb.Sample{{Value: v, Timestamp: now}}}
		r.lset(name, labelName, label).Range(func(l labels.Label) {
			ts.Labels = append(ts.Labels, prompb.Label{Name: l.Name, Value: l.Value})
		})
		req.Timeseries = append(req.Timeseries, ts)
	})
	raw, err := req.Marshal()
	if err != nil {
		return err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		return err
	}
	post.Header.Set("Content-Type", "application/x-protobuf")
	post.Header.Set("Content-Encoding", "snappy")
	post.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	resp, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(post)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("push samples of now: %s: %s", resp.Status, text)
	}
	return nil
}
