package pyrodouble

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// querier is the query service of a server. Calls that it does not have answer unimplemented.
type querier struct {
	querierv1connect.UnimplementedQuerierServiceHandler
	server *Server
}

// request checks what all queries have in common and makes a query of it.
func (q querier) request(h http.Header, start, end int64, selectors ...string) (query, error) {
	tenant, err := q.server.tenant(h)
	if err != nil {
		return query{}, err
	}
	bad := func(err error) (query, error) {
		return query{}, connect.NewError(connect.CodeInvalidArgument, err)
	}
	if start == 0 || end == 0 {
		return bad(errors.New("missing time range in the query"))
	}
	if start > end {
		return bad(errors.New("query start time is after end time"))
	}
	length, limit := time.Duration(end-start)*time.Millisecond, q.server.opts.Limits.MaxQueryDuration
	if limit > 0 && length > limit {
		return bad(fmt.Errorf("the query time range exceeds the limit (max_query_length, actual: %s, limit: %s)", length, limit))
	}
	out := query{tenant: tenant, start: start, end: end}
	for _, sel := range selectors {
		ms, err := parseSelector(sel)
		if err != nil {
			return bad(err)
		}
		out.matchers = append(out.matchers, ms...)
	}
	return out, nil
}

// parseSelector reads a selector such as {service_name="checkout"}; an empty one selects all.
func parseSelector(s string) ([]*labels.Matcher, error) {
	if s = strings.TrimSpace(s); s == "" || s == "{}" {
		return nil, nil
	}
	return parser.NewParser(parser.Options{}).ParseMetricSelector(s)
}

// typed is request for those calls that want one profile type.
func (q querier) typed(h http.Header, start, end int64, profileType, selector string) (query, error) {
	out, err := q.request(h, start, end, selector)
	if err != nil {
		return query{}, err
	}
	if n := strings.Count(profileType, ":") + 1; n != 5 && n != 6 {
		return query{}, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(
			"profile-type selection must be of the form <name>:<sample-type>:<sample-unit>:<period-type>:<period-unit>(:delta), got(%d): %q", n, profileType))
	}
	out.profileType = strings.TrimSuffix(profileType, ":delta")
	return out, nil
}

func (q querier) ProfileTypes(_ context.Context, r *connect.Request[querierv1.ProfileTypesRequest]) (*connect.Response[querierv1.ProfileTypesResponse], error) {
	sel, err := q.request(r.Header(), r.Msg.Start, r.Msg.End)
	if err != nil {
		return nil, err
	}
	types := map[string]labelSet{}
	for _, e := range q.server.store.find(sel) {
		types[e.profileType()] = e.labels
	}
	resp := &querierv1.ProfileTypesResponse{}
	for _, id := range slices.Sorted(maps.Keys(types)) {
		l := types[id]
		resp.ProfileTypes = append(resp.ProfileTypes, &typesv1.ProfileType{
			ID: id, Name: l[labelName], SampleType: l["__type__"], SampleUnit: l["__unit__"],
			PeriodType: l["__period_type__"], PeriodUnit: l["__period_unit__"],
		})
	}
	return connect.NewResponse(resp), nil
}

func (q querier) LabelNames(_ context.Context, r *connect.Request[typesv1.LabelNamesRequest]) (*connect.Response[typesv1.LabelNamesResponse], error) {
	sel, err := q.request(r.Header(), r.Msg.Start, r.Msg.End, r.Msg.Matchers...)
	if err != nil {
		return nil, err
	}
	names := map[string]struct{}{}
	for _, e := range q.server.store.find(sel) {
		for name := range e.labels {
			names[name] = struct{}{}
		}
	}
	return connect.NewResponse(&typesv1.LabelNamesResponse{Names: slices.Sorted(maps.Keys(names))}), nil
}

func (q querier) LabelValues(_ context.Context, r *connect.Request[typesv1.LabelValuesRequest]) (*connect.Response[typesv1.LabelValuesResponse], error) {
	sel, err := q.request(r.Header(), r.Msg.Start, r.Msg.End, r.Msg.Matchers...)
	if err != nil {
		return nil, err
	}
	if r.Msg.Name == "" {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("name is required"))
	}
	values := map[string]struct{}{}
	for _, e := range q.server.store.find(sel) {
		if v, ok := e.labels[r.Msg.Name]; ok {
			values[v] = struct{}{}
		}
	}
	return connect.NewResponse(&typesv1.LabelValuesResponse{Names: slices.Sorted(maps.Keys(values))}), nil
}

func (q querier) Series(_ context.Context, r *connect.Request[querierv1.SeriesRequest]) (*connect.Response[querierv1.SeriesResponse], error) {
	sel, err := q.request(r.Header(), r.Msg.Start, r.Msg.End, r.Msg.Matchers...)
	if err != nil {
		return nil, err
	}
	sets := map[string]labelSet{}
	for _, e := range q.server.store.find(sel) {
		set := only(e.labels, r.Msg.LabelNames)
		sets[groupKey(set)] = set
	}
	resp := &querierv1.SeriesResponse{}
	for _, key := range slices.Sorted(maps.Keys(sets)) {
		resp.LabelsSet = append(resp.LabelsSet, &typesv1.Labels{Labels: pairs(sets[key])})
	}
	return connect.NewResponse(resp), nil
}

// only keeps the named labels; no names keep all.
func only(set labelSet, names []string) labelSet {
	if len(names) == 0 {
		return set
	}
	out := labelSet{}
	for _, name := range names {
		if v, ok := set[name]; ok {
			out[name] = v
		}
	}
	return out
}

func pairs(set labelSet) []*typesv1.LabelPair {
	out := make([]*typesv1.LabelPair, 0, len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		out = append(out, &typesv1.LabelPair{Name: name, Value: set[name]})
	}
	return out
}

func (q querier) SelectMergeProfile(_ context.Context, r *connect.Request[querierv1.SelectMergeProfileRequest]) (*connect.Response[googlev1.Profile], error) {
	sel, err := q.typed(r.Header(), r.Msg.Start, r.Msg.End, r.Msg.ProfileTypeID, r.Msg.LabelSelector)
	if err != nil {
		return nil, err
	}
	p, err := merge(q.server.store.find(sel))
	if err != nil {
		return nil, connect.NewError(connect.CodeInternal, err)
	}
	return connect.NewResponse(p.proto()), nil
}

func (q querier) SelectMergeStacktraces(_ context.Context, r *connect.Request[querierv1.SelectMergeStacktracesRequest]) (*connect.Response[querierv1.SelectMergeStacktracesResponse], error) {
	sel, err := q.typed(r.Header(), r.Msg.Start, r.Msg.End, r.Msg.ProfileTypeID, r.Msg.LabelSelector)
	if err != nil {
		return nil, err
	}
	p, err := merge(q.server.store.find(sel))
	if err != nil {
		return nil, connect.NewError(connect.CodeInternal, err)
	}
	resp := &querierv1.SelectMergeStacktracesResponse{}
	switch f := r.Msg.Format; f {
	case querierv1.ProfileFormat_PROFILE_FORMAT_PPROF:
		resp.Pprof = &querierv1.PprofProfile{Profile: p.proto()}
	case querierv1.ProfileFormat_PROFILE_FORMAT_UNSPECIFIED, querierv1.ProfileFormat_PROFILE_FORMAT_FLAMEGRAPH:
		resp.Flamegraph = p.flameGraph(r.Msg.GetMaxNodes())
	default:
		return nil, connect.NewError(connect.CodeUnimplemented, fmt.Errorf("the double has no format %s", f))
	}
	return connect.NewResponse(resp), nil
}

func (q querier) SelectSeries(_ context.Context, r *connect.Request[querierv1.SelectSeriesRequest]) (*connect.Response[querierv1.SelectSeriesResponse], error) {
	sel, err := q.typed(r.Header(), r.Msg.Start, r.Msg.End, r.Msg.ProfileTypeID, r.Msg.LabelSelector)
	if err != nil {
		return nil, err
	}
	if !(r.Msg.Step > 0) || math.IsInf(r.Msg.Step, 0) {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("step must be non-zero"))
	}
	step := max(int64(r.Msg.Step*1000), 1)
	type key struct {
		set string
		at  int64
	}
	sums, counts := map[key]float64{}, map[key]float64{}
	sets := map[string]labelSet{}
	for _, e := range q.server.store.find(sel) {
		// A point stands for the step that ends with it.
		at := r.Msg.Start + (e.timeMs-r.Msg.Start+step-1)/step*step
		set := labelSet{}
		if len(r.Msg.GroupBy) > 0 {
			set = only(e.labels, r.Msg.GroupBy)
		}
		k := key{groupKey(set), at}
		sets[k.set] = set
		sums[k] += float64(e.total)
		counts[k]++
	}
	series := map[string]*typesv1.Series{}
	for k, sum := range sums {
		if r.Msg.GetAggregation() == typesv1.TimeSeriesAggregationType_TIME_SERIES_AGGREGATION_TYPE_AVERAGE {
			sum /= counts[k]
		}
		if series[k.set] == nil {
			series[k.set] = &typesv1.Series{Labels: pairs(sets[k.set])}
		}
		series[k.set].Points = append(series[k.set].Points, &typesv1.Point{Value: sum, Timestamp: k.at})
	}
	resp := &querierv1.SelectSeriesResponse{}
	for _, k := range slices.Sorted(maps.Keys(series)) {
		slices.SortFunc(series[k].Points, func(a, b *typesv1.Point) int { return int(a.Timestamp - b.Timestamp) })
		resp.Series = append(resp.Series, series[k])
	}
	return connect.NewResponse(resp), nil
}
