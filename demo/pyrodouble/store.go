package pyrodouble

import (
	"compress/gzip"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	"github.com/prometheus/prometheus/model/labels"
)

// entry is one sample type of one group of samples of a stored profile.
type entry struct {
	tenant string
	labels labelSet // with those that the server derives
	timeMs int64
	file   string
	group  string // key of the group within the file
	column int    // which value of each sample
	total  int64  // sum of the column over the group
}

func (e *entry) profileType() string { return e.labels["__profile_type__"] }

// store keeps profiles as files and an index of them in memory.
type store struct {
	dir string

	mu      sync.RWMutex
	files   int
	entries []*entry // in order of arrival
}

func newStore(dir string) *store { return &store{dir: dir} }

// add writes the profile to one file and indexes its groups.
func (s *store) add(tenant string, p *googlev1.Profile, groups []group) error {
	s.mu.Lock()
	s.files++
	number := s.files
	s.mu.Unlock()

	first := toSet(groups[0].labels)
	at := time.Unix(0, p.TimeNanos)
	file := filepath.Join(s.dir, pathPart(first[labelService]), pathPart(first[labelName]),
		fmt.Sprintf("%s-%06d.pb.gz", at.UTC().Format("20060102T150405.000"), number))
	if err := write(file, p); err != nil {
		return fmt.Errorf("store profile: %w", err)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range groups {
		for column := range p.SampleType {
			s.entries = append(s.entries, &entry{
				tenant: tenant,
				labels: derive(toSet(g.labels), p, column),
				timeMs: at.UnixMilli(),
				file:   file,
				group:  g.key,
				column: column,
				total:  g.totals[column],
			})
		}
	}
	return nil
}

// derive adds the labels that the server makes from the profile itself.
func derive(in labelSet, p *googlev1.Profile, column int) labelSet {
	str := func(i int64) string { return p.StringTable[i] }
	t := p.SampleType[column]
	period := p.PeriodType
	if period == nil {
		period = &googlev1.ValueType{}
	}
	out := maps.Clone(in)
	out["__service_name__"] = in[labelService]
	out["__type__"] = str(t.Type)
	out["__unit__"] = str(t.Unit)
	out["__period_type__"] = str(period.Type)
	out["__period_unit__"] = str(period.Unit)
	out["__profile_type__"] = strings.Join([]string{in[labelName], str(t.Type), str(t.Unit), str(period.Type), str(period.Unit)}, ":")
	return out
}

// query selects entries; the zero value of a field does not restrict.
type query struct {
	tenant      string
	start, end  int64 // milliseconds, both included
	profileType string
	matchers    []*labels.Matcher
}

// find returns what the query selects, in order of arrival.
func (s *store) find(q query) []*entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []*entry
	for _, e := range s.entries {
		if e.tenant == q.tenant && e.timeMs >= q.start && e.timeMs <= q.end &&
			(q.profileType == "" || e.profileType() == q.profileType) && matches(e.labels, q.matchers) {
			out = append(out, e)
		}
	}
	return out
}

func matches(set labelSet, ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches(set[m.Name]) {
			return false
		}
	}
	return true
}

// write puts the profile into a new file, whole or not at all.
func write(file string, p *googlev1.Profile) (err error) {
	data, err := p.MarshalVT()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".profile-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	zw := gzip.NewWriter(f)
	if _, err := zw.Write(data); err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// pathPart makes one element of a path of a label value, however strange.
func pathPart(s string) string {
	s = url.PathEscape(s)
	if s == "" || s[0] == '.' {
		s = "_" + s
	}
	if len(s) > 100 {
		s = s[:100]
	}
	return s
}
