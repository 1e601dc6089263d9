package pyrodouble

import (
	"context"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
)

const (
	cpuType    = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	memoryType = "memory:inuse_space:bytes:space:bytes"
)

var (
	from = now.Add(-30 * time.Minute).UnixMilli()
	till = now.Add(30 * time.Minute).UnixMilli()
)

func push(t *testing.T, d *double, ls []*typesv1.LabelPair, p *googlev1.Profile) {
	t.Helper()
	req := &pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{series(ls, raw(t, p))}}
	if _, err := d.pusher.Push(context.Background(), connect.NewRequest(req)); err != nil {
		t.Fatal(err)
	}
}

// fetch asks for everything of one type as one profile.
func fetch(t *testing.T, d *double, profileType, selector string) *googlev1.Profile {
	t.Helper()
	resp, err := d.querier.SelectMergeStacktraces(context.Background(), connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
		ProfileTypeID: profileType, LabelSelector: selector, Start: from, End: till,
		Format: querierv1.ProfileFormat_PROFILE_FORMAT_PPROF}))
	if err != nil {
		t.Fatal(err)
	}
	return resp.Msg.GetPprof().GetProfile()
}

// total adds up the samples of a profile with one sample type.
func total(p *googlev1.Profile) (sum int64) {
	for _, s := range p.GetSample() {
		sum += s.Value[0]
	}
	return sum
}

// filled is a double with two instances of checkout, one of them with memory as well, and
// one of another service.
func filled(t *testing.T) *double {
	d := newDouble(t, nil)
	push(t, d, cpuLabels(), cpuProfile())
	push(t, d, cpuLabels(), cpuProfile(func(p *googlev1.Profile) { p.TimeNanos += int64(10 * time.Second) }))
	push(t, d, labelsOf("__name__", "process_cpu", "service_name", "checkout", "instance", "pod-2:8080"), cpuProfile())
	push(t, d, labelsOf("__name__", "process_cpu", "service_name", "basket"), cpuProfile())
	push(t, d, labelsOf("__name__", "memory", "service_name", "checkout", "instance", "pod-1:8080"), cpuProfile(func(p *googlev1.Profile) {
		copy(p.StringTable[1:], []string{"inuse_objects", "count", "inuse_space", "bytes"})
		p.StringTable = append(p.StringTable, "space")
		p.PeriodType.Type = int64(len(p.StringTable) - 1)
	}))
	return d
}

func TestProfileTypes(t *testing.T) {
	d := filled(t)
	resp, err := d.querier.ProfileTypes(context.Background(), connect.NewRequest(&querierv1.ProfileTypesRequest{Start: from, End: till}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, pt := range resp.Msg.ProfileTypes {
		got = append(got, pt.ID)
	}
	want := []string{
		"memory:inuse_objects:count:space:bytes", memoryType,
		cpuType, "process_cpu:samples:count:cpu:nanoseconds",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	first := resp.Msg.ProfileTypes[0]
	if first.Name != "memory" || first.SampleType != "inuse_objects" || first.PeriodUnit != "bytes" {
		t.Errorf("parts of the first: %v", first)
	}
}

func TestLabels(t *testing.T) {
	d := filled(t)
	ctx := context.Background()
	names, err := d.querier.LabelNames(ctx, connect.NewRequest(&typesv1.LabelNamesRequest{
		Start: from, End: till, Matchers: []string{`{service_name="basket"}`}}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"__name__", "__period_type__", "__period_unit__", "__profile_type__", "__service_name__", "__type__", "__unit__", "service_name"}
	if diff := cmp.Diff(want, names.Msg.Names); diff != "" {
		t.Error(diff)
	}
	values, err := d.querier.LabelValues(ctx, connect.NewRequest(&typesv1.LabelValuesRequest{
		Name: "instance", Start: from, End: till, Matchers: []string{`{__name__="process_cpu"}`, `{service_name=~"check.*"}`}}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"pod-1:8080", "pod-2:8080"}, values.Msg.Names); diff != "" {
		t.Error(diff)
	}
	sets, err := d.querier.Series(ctx, connect.NewRequest(&querierv1.SeriesRequest{
		Start: from, End: till, LabelNames: []string{"service_name", "__name__"}}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sets.Msg.LabelsSet {
		got = append(got, format(s.Labels))
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{
		`{__name__="memory", service_name="checkout"}`,
		`{__name__="process_cpu", service_name="basket"}`,
		`{__name__="process_cpu", service_name="checkout"}`,
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMergePprof(t *testing.T) {
	d := filled(t)
	for _, tc := range []struct {
		name, profileType, selector string
		want                        map[string]int64 // by leaf function
	}{
		{"one service", cpuType, `{service_name="checkout"}`, map[string]int64{"main.work": 90_000_000, "main.wait": 30_000_000}},
		{"one instance", cpuType, `{service_name="checkout", instance="pod-2:8080"}`, map[string]int64{"main.work": 30_000_000, "main.wait": 10_000_000}},
		{"other sample type", "process_cpu:samples:count:cpu:nanoseconds", "", map[string]int64{"main.work": 12, "main.wait": 4}},
		{"nothing", cpuType, `{service_name="payment"}`, map[string]int64{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := fetch(t, d, tc.profileType, tc.selector)
			got := map[string]int64{}
			for _, s := range p.Sample {
				leaf := p.Location[s.LocationId[0]-1].Line[0]
				got[p.StringTable[p.Function[leaf.FunctionId-1].Name]] += s.Value[0]
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMergeProfile(t *testing.T) {
	d := filled(t)
	//lint:ignore SA1019 the server answers it still
	resp, err := d.querier.SelectMergeProfile(context.Background(), connect.NewRequest(
		&querierv1.SelectMergeProfileRequest{ProfileTypeID: cpuType, Start: from, End: till}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := total(resp.Msg), int64(160_000_000); got != want {
		t.Errorf("total %d, want %d", got, want)
	}
}

func TestFlameGraph(t *testing.T) {
	d := newDouble(t, nil)
	push(t, d, cpuLabels(), cpuProfile())
	ask := func(maxNodes int64) *querierv1.FlameGraph {
		resp, err := d.querier.SelectMergeStacktraces(context.Background(), connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
			ProfileTypeID: "process_cpu:samples:count:cpu:nanoseconds", Start: from, End: till, MaxNodes: &maxNodes}))
		if err != nil {
			t.Fatal(err)
		}
		return resp.Msg.Flamegraph
	}
	levels := func(g *querierv1.FlameGraph) (out [][]int64) {
		for _, l := range g.Levels {
			out = append(out, l.Values)
		}
		return out
	}
	g := ask(0)
	if diff := cmp.Diff([]string{"total", "main.main", "main.wait", "main.work"}, g.Names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]int64{{0, 4, 0, 0}, {0, 4, 0, 1}, {0, 1, 1, 2, 0, 3, 3, 3}}, levels(g)); diff != "" {
		t.Error(diff)
	}
	if g.Total != 4 || g.MaxSelf != 3 {
		t.Errorf("total %d, most %d", g.Total, g.MaxSelf)
	}
	if g = ask(3); !slices.Contains(g.Names, "other") || slices.Contains(g.Names, "main.wait") {
		t.Errorf("with three nodes: %v", g.Names)
	}
}

func TestSelectSeries(t *testing.T) {
	d := filled(t)
	resp, err := d.querier.SelectSeries(context.Background(), connect.NewRequest(&querierv1.SelectSeriesRequest{
		ProfileTypeID: cpuType, LabelSelector: `{service_name="checkout"}`, GroupBy: []string{"instance"},
		Start: now.UnixMilli(), End: now.Add(time.Minute).UnixMilli(), Step: 10}))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]float64{}
	for _, s := range resp.Msg.Series {
		for _, p := range s.Points {
			got[format(s.Labels)] = append(got[format(s.Labels)], float64(p.Timestamp-now.UnixMilli())/1000, p.Value)
		}
	}
	want := map[string][]float64{`{instance="pod-1:8080"}`: {0, 4e7, 10, 4e7}, `{instance="pod-2:8080"}`: {0, 4e7}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSampleLabelsMakeSeries(t *testing.T) {
	d := newDouble(t, nil)
	push(t, d, cpuLabels(), cpuProfile(func(p *googlev1.Profile) {
		n := int64(len(p.StringTable))
		p.StringTable = append(p.StringTable, "endpoint", "/cart", "span_id", "1f", "service_name", "theirs")
		p.Sample[0].Label = []*googlev1.Label{{Key: n, Str: n + 1}, {Key: n + 2, Str: n + 3}, {Key: n + 4, Str: n + 5}}
	}))
	for selector, want := range map[string]int64{`{endpoint="/cart"}`: 30_000_000, `{endpoint=""}`: 10_000_000, `{span_id!=""}`: 0, `{service_name="theirs"}`: 0} {
		if got := total(fetch(t, d, cpuType, selector)); got != want {
			t.Errorf("%s: %d, want %d", selector, got, want)
		}
	}
}

func TestBadQueries(t *testing.T) {
	d := filled(t)
	for _, tc := range []struct {
		name                  string
		profileType, selector string
		start, end            int64
	}{
		{"no time range", cpuType, "{}", 0, 0},
		{"end before start", cpuType, "{}", till, from},
		{"more than a day", cpuType, "{}", now.Add(-25 * time.Hour).UnixMilli(), now.UnixMilli()},
		{"no type", "", "{}", from, till},
		{"not a type", "cpu", "{}", from, till},
		{"not a selector", cpuType, `{service_name=`, from, till},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := d.querier.SelectMergeStacktraces(context.Background(), connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
				ProfileTypeID: tc.profileType, LabelSelector: tc.selector, Start: tc.start, End: tc.end}))
			if got := codeOf(err); got != connect.CodeInvalidArgument {
				t.Errorf("%v: %v, want invalid_argument", got, err)
			}
		})
	}
	_, err := d.querier.Diff(context.Background(), connect.NewRequest(&querierv1.DiffRequest{}))
	if got := codeOf(err); got != connect.CodeUnimplemented {
		t.Errorf("a call that the double does not have: %v", err)
	}
}
