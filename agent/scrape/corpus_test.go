package scrape

import (
	"bytes"
	"embed"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
)

//go:embed testdata/bodies
var corpus embed.FS

// seed is a sequence of bodies that a target exposed.
type seed struct {
	name, contentType string
	bodies            []string
	compiles          bool // a layout can be made of it
}

// seeds returns what is in testdata/bodies, and what is made here.
func seeds(t testing.TB) []seed {
	t.Helper()
	files, err := corpus.ReadDir("testdata/bodies")
	if err != nil {
		t.Fatal(err)
	}
	var out []seed
	for _, f := range files {
		base, _, ok := strings.Cut(f.Name(), "-1.")
		if !ok {
			continue
		}
		s := seed{name: f.Name(), contentType: text004}
		if path.Ext(f.Name()) == ".om" {
			s.contentType = openText
		}
		for n := 1; ; n++ {
			b, err := corpus.ReadFile(fmt.Sprintf("testdata/bodies/%s-%d%s", base, n, path.Ext(f.Name())))
			if err != nil {
				break
			}
			s.bodies = append(s.bodies, string(b))
		}
		// Lines with timestamps are never plain.
		s.compiles = base != "java-stamped" && base != "federate"
		out = append(out, s)
	}
	churn := seed{name: "churn", contentType: text004, compiles: true}
	for _, b := range successive(6, 150, .3, .3) {
		churn.bodies = append(churn.bodies, string(b))
	}
	return append(out, churn, cluster())
}

// cluster is what one exposes of the objects of a cluster: many labels, little but ones.
func cluster() seed {
	s := seed{name: "cluster", contentType: text100, compiles: true}
	rng := rand.New(rand.NewPCG(3, 4))
	pods := make([]int, 20)
	for i := range pods {
		pods[i] = i
	}
	for n := range 4 {
		var b bytes.Buffer
		for _, m := range []struct{ name, typ, more string }{
			{"kube_pod_info", "gauge", `host_ip="10.0.0.%d",node="node-%d"`},
			{"kube_pod_labels", "gauge", `label_app_kubernetes_io_name="a \"quoted\" name %d",label_path="C:\\data\\%d"`},
			{"kube_pod_status_phase", "gauge", `phase="Running %d\n%d"`},
			{"kube_pod_created", "gauge", `uid="u-%d-%d"`},
		} {
			fmt.Fprintf(&b, "# HELP %s [STABLE] Of pods, \\\\ and\\nmore.\n# TYPE %s %s\n", m.name, m.name, m.typ)
			for _, pod := range pods {
				fmt.Fprintf(&b, "%s{namespace=\"prod\",pod=\"checkout-7f9c-%04x\",%s} %g\n", m.name, pod, fmt.Sprintf(m.more, pod%7, pod%3), 1+1.7e9*float64(pod%2))
			}
		}
		s.bodies = append(s.bodies, b.String())
		for k := range 4 { // some pods are replaced
			pods[rng.IntN(len(pods))] = 100*(n+1) + k
		}
	}
	return s
}
