package pyrodouble

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/google/pprof/profile"
	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
)

// merged is the sum of the selected profiles with one sample type; its profile is nil when
// nothing was selected.
type merged struct{ profile *profile.Profile }

// merge adds up entries of one profile type.
func merge(entries []*entry) (merged, error) {
	var parts []*profile.Profile
	for _, e := range entries {
		p, err := e.load()
		if err != nil {
			return merged{}, err
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return merged{}, nil
	}
	sum, err := profile.Merge(parts)
	if err != nil {
		return merged{}, fmt.Errorf("merge profiles: %w", err)
	}
	return merged{sum}, nil
}

// load reads the samples of an entry, with its column as their only value.
func (e *entry) load() (*profile.Profile, error) {
	data, err := os.ReadFile(e.file)
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	p, err := profile.ParseData(data)
	if err != nil {
		return nil, fmt.Errorf("read profile %s: %w", e.file, err)
	}
	p.SampleType = p.SampleType[e.column : e.column+1]
	p.DefaultSampleType = ""
	p.Sample = slices.DeleteFunc(p.Sample, func(s *profile.Sample) bool {
		own := labelSet{}
		for name, values := range s.Label {
			own[name] = values[len(values)-1]
		}
		if groupKey(withoutSpans(own)) != e.group {
			return true
		}
		s.Value = s.Value[e.column : e.column+1]
		s.Label, s.NumLabel, s.NumUnit = nil, nil, nil
		return s.Value[0] == 0
	})
	return p, nil
}

// proto returns the profile as the message of the protocol.
func (m merged) proto() *googlev1.Profile {
	out := &googlev1.Profile{}
	if m.profile == nil {
		return out
	}
	var buf bytes.Buffer
	if err := m.profile.WriteUncompressed(&buf); err != nil {
		panic("BUG: a merged profile cannot be encoded: " + err.Error())
	}
	if err := out.UnmarshalVT(buf.Bytes()); err != nil {
		panic("BUG: an encoded profile cannot be decoded: " + err.Error())
	}
	return out
}

// defaultMaxNodes is how many nodes a flame graph has at most when the query does not say.
const defaultMaxNodes = 8192

// node is one function in one call stack.
type node struct {
	name        string
	total, self int64
	children    map[string]*node
}

func (n *node) child(name string) *node {
	c := n.children[name]
	if c == nil {
		c = &node{name: name, children: map[string]*node{}}
		n.children[name] = c
	}
	return c
}

// sorted returns the children by name.
func (n *node) sorted() []*node {
	out := make([]*node, 0, len(n.children))
	for _, c := range n.children {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	return out
}

// tree adds up the stacks, by function name.
func (m merged) tree() *node {
	root := &node{name: "total", children: map[string]*node{}}
	if m.profile == nil {
		return root
	}
	for _, s := range m.profile.Sample {
		v := s.Value[0]
		at := root
		at.total += v
		for _, loc := range slices.Backward(s.Location) {
			if len(loc.Line) == 0 {
				at = at.child(fmt.Sprintf("0x%x", loc.Address))
				at.total += v
			}
			for _, line := range slices.Backward(loc.Line) {
				name := "unknown"
				if line.Function != nil {
					name = line.Function.Name
				}
				at = at.child(name)
				at.total += v
			}
		}
		at.self += v
	}
	return root
}

// smallest returns the least total that one of the maxNodes largest nodes below root has.
func smallest(root *node, maxNodes int64) int64 {
	if maxNodes <= 0 {
		maxNodes = defaultMaxNodes
	}
	var totals []int64
	var walk func(*node)
	walk = func(n *node) {
		totals = append(totals, n.total)
		for _, c := range n.children {
			walk(c)
		}
	}
	walk(root)
	if int64(len(totals)) <= maxNodes {
		return math.MinInt64
	}
	slices.Sort(totals)
	return totals[int64(len(totals))-maxNodes]
}

// flameGraph lays the stacks out in levels: for each node its distance from the end of the
// node to its left, its total, its self and the index of its name. Nodes that are too small
// to be among the maxNodes largest become "other".
func (m merged) flameGraph(maxNodes int64) *querierv1.FlameGraph {
	root := m.tree()
	least := smallest(root, maxNodes)
	graph := &querierv1.FlameGraph{Total: root.total}
	names := map[string]int64{}
	var ends []int64 // of the last node of each level
	var place func(n *node, level int, x int64)
	place = func(n *node, level int, x int64) {
		if level == len(graph.Levels) {
			graph.Levels = append(graph.Levels, &querierv1.Level{})
			ends = append(ends, 0)
		}
		index, ok := names[n.name]
		if !ok {
			index = int64(len(graph.Names))
			names[n.name] = index
			graph.Names = append(graph.Names, n.name)
		}
		l := graph.Levels[level]
		l.Values = append(l.Values, x-ends[level], n.total, n.self, index)
		ends[level] = x + n.total
		graph.MaxSelf = max(graph.MaxSelf, n.self)
		x += n.self
		other := &node{name: "other"}
		for _, c := range n.sorted() {
			if c.total < least {
				other.total += c.total
				other.self += c.total
				continue
			}
			place(c, level+1, x)
			x += c.total
		}
		if other.total > 0 {
			place(other, level+1, x)
		}
	}
	place(root, 0, 0)
	return graph
}
