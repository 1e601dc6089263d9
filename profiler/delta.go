package profiler

import (
	"errors"
	"slices"

	"github.com/google/pprof/profile"
)

// errWentBack says that a value which can only grow became smaller.
var errWentBack = errors.New("a cumulative value became smaller")

// delta returns what happened between two captures of one life of a process: for the
// cumulative sample types the difference by stack and labels, for the others what cur says.
// Samples that are left with nothing but zeros are dropped. It changes neither argument.
// The result has the time of cur and no duration.
//
// The error is errWentBack, or says how the two differ in kind; either way they are not
// of one life.
func delta(prev, cur *profile.Profile, cumulative []string) (*profile.Profile, error) {
	columns := make([]bool, len(cur.SampleType))
	for i, st := range cur.SampleType {
		columns[i] = slices.Contains(cumulative, st.Type)
	}
	d, err := profile.Merge([]*profile.Profile{cur, negate(prev, columns)})
	if err != nil {
		return nil, err
	}
	for _, s := range d.Sample {
		for i, v := range s.Value {
			if v < 0 && columns[i] {
				return nil, errWentBack
			}
		}
	}
	d.TimeNanos, d.DurationNanos = cur.TimeNanos, 0
	return d, nil
}

// negate returns p with the chosen columns negated and the others zero. It shares all but
// the values with p. (ScaleN of package profile goes through float64, which is not exact
// for the delays of a busy service, and changes p.)
func negate(p *profile.Profile, columns []bool) *profile.Profile {
	n := &profile.Profile{
		SampleType: p.SampleType,
		PeriodType: p.PeriodType,
		Period:     p.Period,
		Mapping:    p.Mapping,
		Location:   p.Location,
		Function:   p.Function,
		Sample:     make([]*profile.Sample, len(p.Sample)),
	}
	for i, s := range p.Sample {
		values := make([]int64, len(s.Value))
		for j, v := range s.Value {
			if j < len(columns) && columns[j] {
				values[j] = -v
			}
		}
		n.Sample[i] = &profile.Sample{
			Location: s.Location, Value: values,
			Label: s.Label, NumLabel: s.NumLabel, NumUnit: s.NumUnit,
		}
	}
	return n
}

// snapshot returns p without its cumulative sample types, or nil when it has no others. It
// does not change p.
func snapshot(p *profile.Profile, cumulative []string) *profile.Profile {
	var keep []int
	s := &profile.Profile{
		PeriodType: p.PeriodType,
		Period:     p.Period,
		Mapping:    p.Mapping,
		Location:   p.Location,
		Function:   p.Function,
		Comments:   p.Comments,
		DropFrames: p.DropFrames,
		KeepFrames: p.KeepFrames,
		DocURL:     p.DocURL,
		TimeNanos:  p.TimeNanos,
	}
	for i, st := range p.SampleType {
		if slices.Contains(cumulative, st.Type) {
			continue
		}
		keep = append(keep, i)
		s.SampleType = append(s.SampleType, st)
		if st.Type == p.DefaultSampleType {
			s.DefaultSampleType = st.Type
		}
	}
	if len(keep) == 0 {
		return nil
	}
	for _, from := range p.Sample {
		values := make([]int64, len(keep))
		for i, column := range keep {
			values[i] = from.Value[column]
		}
		s.Sample = append(s.Sample, &profile.Sample{
			Location: from.Location, Value: values,
			Label: from.Label, NumLabel: from.NumLabel, NumUnit: from.NumUnit,
		})
	}
	return s.Compact()
}
