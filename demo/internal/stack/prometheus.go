package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// Prometheus is a real Prometheus server that takes remote writes. It does not accept
// samples out of order, so that one it is sent twice or late shows as refused.
type Prometheus struct {
	*Process
	// URL is that of the server, such as http://127.0.0.1:9090.
	URL string
	api promv1.API
}

// PrometheusOptions say how a Prometheus is started.
type PrometheusOptions struct {
	Binary string
	// Dir holds the configuration and the data. Starting again with the same folder continues
	// with the same data.
	Dir     string
	Address string // host:port to listen on
	LogDir  string
	// ScrapeConfigs is the YAML list that follows scrape_configs; empty means none.
	ScrapeConfigs string
	// OutOfOrder is how old samples may be; 0 means that they must be in order.
	OutOfOrder time.Duration
}

// StartPrometheus starts a server and waits until it is ready.
func StartPrometheus(ctx context.Context, opts PrometheusOptions) (*Prometheus, error) {
	if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("start prometheus: %w", err)
	}
	config := "global:\n  scrape_interval: 1s\n"
	if opts.ScrapeConfigs != "" {
		config += "scrape_configs:\n" + opts.ScrapeConfigs
	}
	if opts.OutOfOrder > 0 {
		config += fmt.Sprintf("storage:\n  tsdb:\n    out_of_order_time_window: %s\n", model.Duration(opts.OutOfOrder))
	}
	file := filepath.Join(opts.Dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, fmt.Errorf("start prometheus: %w", err)
	}
	url := "http://" + opts.Address
	c, err := api.NewClient(api.Config{Address: url, Client: client})
	if err != nil {
		return nil, fmt.Errorf("start prometheus: %w", err)
	}
	process, err := Start(Spec{
		Name: "prometheus",
		Path: opts.Binary,
		Args: []string{
			"--config.file=" + file,
			"--storage.tsdb.path=" + filepath.Join(opts.Dir, "data"),
			"--web.listen-address=" + opts.Address,
			"--web.enable-remote-write-receiver",
			"--query.lookback-delta=1m", // with scrapes this dense, an old value is a stale one
		},
		LogDir: opts.LogDir,
	})
	if err != nil {
		return nil, err
	}
	p := &Prometheus{Process: process, URL: url, api: promv1.NewAPI(c)}
	if err := p.Await(ctx, "Prometheus at "+url, answers(url+"/-/ready")); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// WriteURL is where it takes remote writes.
func (p *Prometheus) WriteURL() string { return p.URL + "/api/v1/write" }

// Query evaluates an expression now.
func (p *Prometheus) Query(ctx context.Context, expr string) (model.Vector, error) {
	return p.QueryAt(ctx, expr, time.Now())
}

// QueryAt evaluates an expression at a time.
func (p *Prometheus) QueryAt(ctx context.Context, expr string, at time.Time) (model.Vector, error) {
	v, warnings, _, err := p.api.Query(ctx, expr, at)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, err)
	}
	if len(warnings) > 0 {
		return nil, fmt.Errorf("query %s: %s", expr, strings.Join(warnings, "; "))
	}
	vector, ok := v.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("query %s: result is a %s, not a vector", expr, v.Type())
	}
	return vector, nil
}

// Samples returns the raw samples of a range selector such as up[1m], up to now.
func (p *Prometheus) Samples(ctx context.Context, selector string) (model.Matrix, error) {
	v, _, _, err := p.api.Query(ctx, selector, time.Now())
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", selector, err)
	}
	matrix, ok := v.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("query %s: result is a %s, not a matrix", selector, v.Type())
	}
	return matrix, nil
}

// Scalar evaluates an expression that has one value, such as a count; none counts as 0.
func (p *Prometheus) Scalar(ctx context.Context, expr string) (float64, error) {
	v, err := p.Query(ctx, expr)
	switch {
	case err != nil:
		return 0, err
	case len(v) == 0:
		return 0, nil
	case len(v) > 1:
		return 0, fmt.Errorf("query %s: %d values, want one", expr, len(v))
	}
	return float64(v[0].Value), nil
}

// Rejects is what the server says of its own that it did not store or did not understand, by
// reason. Nothing else may write to it meanwhile.
func (p *Prometheus) Rejects(ctx context.Context) (map[string]float64, error) {
	text, err := Get(ctx, p.URL+"/metrics")
	if err != nil {
		return nil, err
	}
	families, err := parseFamilies(text)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for name, reason := range map[string]string{
		"prometheus_tsdb_out_of_order_samples_total":               "out of order",
		"prometheus_tsdb_out_of_bound_samples_total":               "out of bounds",
		"prometheus_tsdb_too_old_samples_total":                    "too old",
		"prometheus_api_remote_write_invalid_labels_samples_total": "invalid labels",
	} {
		for _, m := range families[name].GetMetric() {
			if v := m.GetCounter().GetValue(); v > 0 {
				out[reason] += v
			}
		}
	}
	for _, m := range families["prometheus_http_requests_total"].GetMetric() {
		l := labelsOf(m)
		if v := m.GetCounter().GetValue(); v > 0 && l["handler"] == "/api/v1/write" && !strings.HasPrefix(l["code"], "2") {
			out["request answered "+l["code"]] += v
		}
	}
	return out, nil
}

// Head is how much the server has taken in.
type Head struct{ Series, Samples float64 }

// Head asks the server of itself.
func (p *Prometheus) Head(ctx context.Context) (Head, error) {
	text, err := Get(ctx, p.URL+"/metrics")
	if err != nil {
		return Head{}, err
	}
	m, err := ParseMetrics(text)
	if err != nil {
		return Head{}, err
	}
	return Head{
		Series:  m["prometheus_tsdb_head_series{}"],
		Samples: m[`prometheus_tsdb_head_samples_appended_total{type="float"}`] + m[`prometheus_tsdb_head_samples_appended_total{type="histogram"}`],
	}, nil
}
