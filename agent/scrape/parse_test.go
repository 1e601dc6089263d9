package scrape

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/model/value"
)

const (
	text004   = "text/plain; version=0.0.4; charset=utf-8"
	text100   = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
	openText  = "application/openmetrics-text; version=1.0.0; charset=utf-8"
	protoText = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

func dropNames(regex string) *relabel.Config {
	c := relabel.DefaultRelabelConfig
	c.Action, c.SourceLabels, c.Regex = relabel.Drop, model.LabelNames{"__name__"}, relabel.MustNewRegexp(regex)
	return &c
}

func dropLabels(regex string) *relabel.Config {
	c := relabel.DefaultRelabelConfig
	c.Action, c.Regex = relabel.LabelDrop, relabel.MustNewRegexp(regex)
	return &c
}

func TestParseFormats(t *testing.T) {
	for _, tc := range []struct {
		name, contentType, body, want string
		cfg                           Config
	}{
		{
			name:        "text 0.0.4 with every type",
			contentType: text004,
			body: `# HELP http_requests_total Requests, \\ and a line\nbreak.
# TYPE http_requests_total counter
http_requests_total{code="200"} 1027
http_requests_total{code="400"} 3
# TYPE temperature gauge
temperature -1.5e-3
# TYPE latency_seconds histogram
latency_seconds_bucket{le="1"} 3
latency_seconds_bucket{le="+Inf"} 4
latency_seconds_sum 5.5
latency_seconds_count 4
# TYPE rpc_seconds summary
rpc_seconds{quantile="0.5"} NaN
rpc_seconds_sum 1
rpc_seconds_count 2
stray_series 7
# a comment
`,
			want: `{__name__="http_requests_total", code="200", instance="pod-1:8080", job="checkout"} 1027 # http_requests_total counter "Requests, \\ and a line\nbreak." ""
{__name__="http_requests_total", code="400", instance="pod-1:8080", job="checkout"} 3 # http_requests_total counter "Requests, \\ and a line\nbreak." ""
{__name__="temperature", instance="pod-1:8080", job="checkout"} -0.0015 # temperature gauge "" ""
{__name__="latency_seconds_bucket", instance="pod-1:8080", job="checkout", le="1.0"} 3 # latency_seconds histogram "" ""
{__name__="latency_seconds_bucket", instance="pod-1:8080", job="checkout", le="+Inf"} 4 # latency_seconds histogram "" ""
{__name__="latency_seconds_sum", instance="pod-1:8080", job="checkout"} 5.5 # latency_seconds histogram "" ""
{__name__="latency_seconds_count", instance="pod-1:8080", job="checkout"} 4 # latency_seconds histogram "" ""
{__name__="rpc_seconds", instance="pod-1:8080", job="checkout", quantile="0.5"} NaN # rpc_seconds summary "" ""
{__name__="rpc_seconds_sum", instance="pod-1:8080", job="checkout"} 1 # rpc_seconds summary "" ""
{__name__="rpc_seconds_count", instance="pod-1:8080", job="checkout"} 2 # rpc_seconds summary "" ""
{__name__="stray_series", instance="pod-1:8080", job="checkout"} 7
`,
		},
		{
			name:        "text 1.0.0 with quoted names",
			contentType: text100,
			body: `# TYPE "http.requests" counter
{"http.requests","status.code"="200"} 1
`,
			want: `{__name__="http.requests", instance="pod-1:8080", job="checkout", "status.code"="200"} 1 # http.requests counter "" ""
`,
		},
		{
			name:        "OpenMetrics with unit, exemplars, created and timestamps",
			contentType: openText,
			cfg:         Config{HonorTimestamps: true},
			body: `# TYPE work_seconds histogram
# UNIT work_seconds seconds
# HELP work_seconds Work done.
work_seconds_bucket{le="0.1"} 8 # {trace_id="abc"} 0.05 1699999999.5
work_seconds_bucket{le="+Inf"} 9 # {trace_id="def"} 3
work_seconds_sum 4
work_seconds_count 9
work_seconds_created 1699999000.25
# TYPE jobs counter
jobs_total 17 1699999990.5
jobs_created 1699999000
# TYPE build info
build_info{version="1"} 1
# EOF
`,
			want: `{__name__="work_seconds_bucket", instance="pod-1:8080", job="checkout", le="0.1"} 8 # work_seconds histogram "Work done." "seconds"
{__name__="work_seconds_bucket", instance="pod-1:8080", job="checkout", le="+Inf"} 9 # work_seconds histogram "Work done." "seconds"
{__name__="work_seconds_sum", instance="pod-1:8080", job="checkout"} 4 # work_seconds histogram "Work done." "seconds"
{__name__="work_seconds_count", instance="pod-1:8080", job="checkout"} 9 # work_seconds histogram "Work done." "seconds"
{__name__="work_seconds_created", instance="pod-1:8080", job="checkout"} 1.69999900025e+09
{__name__="jobs_created", instance="pod-1:8080", job="checkout"} 1.699999e+09
{__name__="build_info", instance="pod-1:8080", job="checkout", version="1"} 1 # build info "" ""
rest {__name__="work_seconds_bucket", instance="pod-1:8080", job="checkout", le="0.1"} @1700000000000 exemplar {trace_id="abc"} 0.05 @1699999999500 # work_seconds histogram "Work done." "seconds"
rest {__name__="work_seconds_bucket", instance="pod-1:8080", job="checkout", le="+Inf"} @1700000000000 exemplar {trace_id="def"} 3 @1700000000000 # work_seconds histogram "Work done." "seconds"
rest {__name__="jobs_total", instance="pod-1:8080", job="checkout"} @1699999990500 17 # jobs counter "" ""
`,
		},
		{
			name:        "timestamps not honoured",
			contentType: text004,
			body:        "a 1 1699999990500\n",
			want: `{__name__="a", instance="pod-1:8080", job="checkout"} 1
`,
		},
		{
			name:        "no newline at the end",
			contentType: text004,
			body:        "a 1",
			want: `{__name__="a", instance="pod-1:8080", job="checkout"} 1
`,
		},
		{
			name:        "fallback for a missing content type",
			contentType: "",
			cfg:         Config{FallbackScrapeProtocol: prometheus004},
			body:        "a 1\n",
			want: `{__name__="a", instance="pod-1:8080", job="checkout"} 1
`,
		},
		{
			name:        "relabelling drops, keeps and renames",
			contentType: text004,
			cfg: Config{MetricRelabelConfigs: []*relabel.Config{
				dropNames("go_.*"),
				{SourceLabels: model.LabelNames{"__name__"}, Regex: relabel.MustNewRegexp("old"), Replacement: "new", TargetLabel: "__name__", Action: relabel.Replace},
				dropLabels("secret"),
			}},
			body: `go_threads 3
# TYPE old gauge
old{secret="x"} 1
`,
			want: `{__name__="new", instance="pod-1:8080", job="checkout"} 1
`,
		},
		{
			name:        "relabelling leaves nothing",
			contentType: text004,
			cfg:         Config{MetricRelabelConfigs: []*relabel.Config{dropLabels(".*")}},
			body:        "a 1\n",
			want:        "",
		},
		{
			name:        "families that end without a sign",
			contentType: openText,
			body: `# TYPE a counter
a_total 1
ab_total 2
b 3
# TYPE c gaugehistogram
c_bucket{le="+Inf"} 1
c_gsum 1
c_gcount 1
# TYPE d_total counter
d_total_total 1
# EOF
`,
			want: `{__name__="a_total", instance="pod-1:8080", job="checkout"} 1 # a counter "" ""
{__name__="ab_total", instance="pod-1:8080", job="checkout"} 2
{__name__="b", instance="pod-1:8080", job="checkout"} 3
{__name__="c_bucket", instance="pod-1:8080", job="checkout", le="+Inf"} 1 # c gaugehistogram "" ""
{__name__="c_gsum", instance="pod-1:8080", job="checkout"} 1 # c gaugehistogram "" ""
{__name__="c_gcount", instance="pod-1:8080", job="checkout"} 1 # c gaugehistogram "" ""
{__name__="d_total_total", instance="pod-1:8080", job="checkout"} 1
`,
		},
		{
			name:        "nothing at all",
			contentType: text004,
			body:        "",
			want:        "",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSession(t, &tc.cfg)
			sc := s.mustScrape(tc.body, tc.contentType)
			if diff := cmp.Diff(tc.want, dump(sc)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseHonorsLabels(t *testing.T) {
	const body = `a{instance="theirs",exported_instance="first"} 1
b{job=""} 2
`
	for _, tc := range []struct {
		honor bool
		want  string
	}{
		{false, `{__name__="a", exported_exported_instance="theirs", exported_instance="first", instance="pod-1:8080", job="checkout"} 1
{__name__="b", instance="pod-1:8080", job="checkout"} 2
`},
		{true, `{__name__="a", exported_instance="first", instance="theirs", job="checkout"} 1
{__name__="b", instance="pod-1:8080"} 2
`},
	} {
		s := newSession(t, &Config{HonorLabels: tc.honor})
		if diff := cmp.Diff(tc.want, dump(s.mustScrape(body, text004))); diff != "" {
			t.Errorf("honor_labels %v:\n%s", tc.honor, diff)
		}
	}
}

func TestLabelsOfBothAreMovedInOrder(t *testing.T) {
	s := newSession(t, &Config{})
	s.st.rules.target = labels.FromStrings("exported_instance", "ours-2", "instance", "ours")
	const want = `{__name__="a", exported_exported_exported_instance="theirs-2", exported_exported_instance="theirs", exported_instance="ours-2", instance="ours"} 1
`
	if diff := cmp.Diff(want, dump(s.mustScrape(`a{instance="theirs",exported_instance="theirs-2"} 1`, text004))); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, tc := range []struct {
		name, contentType, body string
		cfg                     Config
		reason                  reason
		want                    string
	}{
		{
			name: "HTML", contentType: "text/html; charset=utf-8", body: "<!DOCTYPE html><title>hi</title>",
			reason: reasonContentType,
			want:   `Content-Type "text/html; charset=utf-8" is no exposition format and the body looks like HTML: is this the address of the metrics? If it is an exposition all the same, name its format in fallback_scrape_protocol`,
		},
		{
			name: "no content type", contentType: "", body: "a 1\n",
			reason: reasonContentType,
			want:   `the answer has no Content-Type. If it is an exposition all the same, name its format in fallback_scrape_protocol`,
		},
		{
			name: "JSON", contentType: "application/json", body: ` {"status" : "ok"}`,
			reason: reasonContentType,
			want:   `Content-Type "application/json" is no exposition format and the body looks like JSON: is this the address of the metrics? If it is an exposition all the same, name its format in fallback_scrape_protocol`,
		},
		{
			name: "HTML called text", contentType: "text/plain", body: "\n<html><body>",
			reason: reasonParse,
			want:   `parse: the body looks like HTML: expected a valid start token, got "<" ("INVALID") while parsing: "<"`,
		},
		{
			name: "HTML as the fallback", contentType: "text/html", body: "<html>", cfg: Config{FallbackScrapeProtocol: prometheus004},
			reason: reasonParse,
			want:   `parse: the body looks like HTML: expected a valid start token, got "<" ("INVALID") while parsing: "<"`,
		},
		{
			name: "OpenMetrics cut off", contentType: openText, body: "a 1\n",
			reason: reasonParse, want: `parse: data does not end with # EOF`,
		},
		{
			name: "no value", contentType: text004, body: "a{b=\"c\"}\n",
			reason: reasonParse, want: `parse: expected value after metric, got "\n" ("INVALID") while parsing: "a{b=\"c\"}\n"`,
		},
		{
			name: "label not UTF-8", contentType: text004, body: "a{b=\"\xff\"} 1\n",
			reason: reasonParse, want: `parse: invalid UTF-8 label value: "\"\xff\""`,
		},
		{
			name: "protobuf cut off", contentType: protoText, body: "\x7f\x0a\x01a",
			reason: reasonParse, want: `parse: `,
		},
		{
			name: "label twice", contentType: text004, body: `a{b="1",b="2"} 1` + "\n",
			reason: reasonSeries, want: `series with label "b" twice: {__name__="a", b="1", b="2", instance="pod-1:8080", job="checkout"}`,
		},
		{
			name: "name relabelled away", contentType: text004, body: "a 1\n",
			cfg:    Config{MetricRelabelConfigs: []*relabel.Config{dropLabels("__name__")}},
			reason: reasonSeries, want: `series without a metric name: {instance="pod-1:8080", job="checkout"}`,
		},
		{
			name: "sample_limit", contentType: text004, body: "a 1\nb 2\nc 3\nd 4\n", cfg: Config{SampleLimit: 2},
			reason: reasonSamples,
			want:   `sample_limit exceeded: 4 samples after relabelling, limit 2; the first beyond it is {__name__="c", instance="pod-1:8080", job="checkout"}`,
		},
		{
			name: "label_limit", contentType: text004, body: `a{b="1"} 1` + "\n", cfg: Config{LabelLimit: 3},
			reason: reasonLabels,
			want:   `label_limit exceeded: 4 labels, limit 3, in {__name__="a", b="1", instance="pod-1:8080", job="checkout"}`,
		},
		{
			name: "label_name_length_limit", contentType: text004, body: `a{long_name="1"} 1` + "\n", cfg: Config{LabelNameLengthLimit: 8},
			reason: reasonLabelName,
			want:   `label_name_length_limit exceeded: name of 9 bytes, limit 8, in {__name__="a", instance="pod-1:8080", job="checkout", long_name="1"}`,
		},
		{
			name: "label_value_length_limit", contentType: text004, body: `a{b="` + long + `"} 1` + "\n", cfg: Config{LabelValueLengthLimit: 100},
			reason: reasonLabelValue,
			want:   `label_value_length_limit exceeded: value of "b" has 5000 bytes, limit 100, in {__name__="a", b="` + strings.Repeat("x", 300-len(`{__name__="a", b="`)) + `...`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSession(t, &tc.cfg)
			sc := s.scrape(tc.body, tc.contentType)
			if s.err == nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(s.err.Error(), tc.want) || strings.HasSuffix(tc.want, "parse: ") && s.err.Error() == tc.want {
				t.Errorf("got  %s\nwant %s", s.err, tc.want)
			}
			if got := reasonOf(s.err); got != tc.reason {
				t.Errorf("reason %q, want %q", got, tc.reason)
			}
			if !sc.Failed || reported(sc)[0] != 0 {
				t.Errorf("not reported as failed: %v", reported(sc))
			}
		})
	}
}

func TestParseRefusesBytesInProtobuf(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "name_here", Help: "help_here", ConstLabels: prometheus.Labels{"label_here": "value_here"}}))
	good := gathered(t, reg)
	for _, part := range []string{"name_here", "help_here", "label_here", "value_here"} {
		s := newSession(t, &Config{})
		sc := s.scrape(strings.Replace(good, part, strings.Repeat("\xff", len(part)), 1), protoText)
		if s.err == nil || !sc.Failed {
			t.Errorf("%s of bytes that are not UTF-8: accepted", part)
		}
	}
}

func TestParseErrorIsBounded(t *testing.T) {
	s := newSession(t, &Config{})
	s.scrape(`a{b="`+strings.Repeat("x", 1<<20)+"\n", text004)
	if s.err == nil || len(s.err.Error()) > 1000 {
		t.Errorf("error of %d bytes", len(s.err.Error()))
	}
}

func TestReportSeries(t *testing.T) {
	s := newSession(t, &Config{MetricRelabelConfigs: []*relabel.Config{
		dropNames("dropped"),
	}})
	sc := s.mustScrape("a 1\nb 2\ndropped 3\na 4\n", text004)
	if diff := cmp.Diff([]float64{1, 0.25, 4, 3, 2}, reported(sc)); diff != "" {
		t.Error(diff)
	}
	var names []string
	for i := sc.Series.Len() - 5; i < sc.Series.Len(); i++ {
		if sc.Series.At(i).Get("instance") != "pod-1:8080" || sc.Series.Metadata(i).Type != model.MetricTypeGauge {
			t.Errorf("%s: %+v", sc.Series.At(i), sc.Series.Metadata(i))
		}
		names = append(names, sc.Series.At(i).Get("__name__"))
	}
	want := []string{"up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	sc = s.mustScrape("a 1\nc 2\ndropped 3\n", text004)
	if diff := cmp.Diff([]float64{1, 0.25, 3, 2, 1}, reported(sc)); diff != "" {
		t.Error(diff)
	}
}

func TestDuplicatesFirstWins(t *testing.T) {
	drop := Config{MetricRelabelConfigs: []*relabel.Config{dropLabels("path")}}
	s := newSession(t, &drop)
	sc := s.mustScrape("a{path=\"/x\"} 1\na{path=\"/y\"} 2\na 3\nup 9\nscrape_duration_seconds 9\n", text004)
	if diff := cmp.Diff(`{__name__="a", instance="pod-1:8080", job="checkout"} 1
`, dump(sc)); diff != "" {
		t.Error(diff)
	}
	if s.tally.duplicates != 4 || s.tally.duplicate.Get("__name__") != "a" {
		t.Errorf("tally %+v", s.tally)
	}
	if up := reported(sc)[0]; up != 1 {
		t.Errorf("up %v: the service's own must not win", up)
	}
}

func TestServiceCannotSendMarkers(t *testing.T) {
	stale := math.Float64frombits(value.StaleNaN)
	body := protobuf(t, &dto.MetricFamily{Name: new("a"), Type: new(dto.MetricType_GAUGE), Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &stale}}}})
	if v := newSession(t, &Config{}).mustScrape(body, protoText).Values[0]; !math.IsNaN(v) || value.IsStaleNaN(v) {
		t.Errorf("%x", math.Float64bits(v))
	}
}
