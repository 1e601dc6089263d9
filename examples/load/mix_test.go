package load

import (
	"slices"
	"strings"
	"testing"
)

func take(m *Mix, n int) (reqs []Request) {
	for range n {
		reqs = append(reqs, m.Next())
	}
	return reqs
}

func TestMixFollowsTheSeed(t *testing.T) {
	want := take(NewMix(1, "run"), 1000)
	if !slices.Equal(take(NewMix(1, "run"), 1000), want) {
		t.Error("one seed gave two mixes")
	}
	if slices.Equal(take(NewMix(2, "run"), 1000), want) {
		t.Error("two seeds gave one mix")
	}
	other := take(NewMix(1, "other"), 1000)
	for i := range other {
		other[i].Path = strings.Replace(other[i].Path, "other-", "run-", 1)
		other[i].Body = strings.ReplaceAll(other[i].Body, "other-", "run-")
	}
	if !slices.Equal(other, want) {
		t.Error("a prefix changed more than names")
	}
}

// The mix of a seed must stay the same from one version to the next, or measurements cannot be
// compared.
func TestMixOfASeed(t *testing.T) {
	var got []string
	for _, r := range take(NewMix(1, "run"), 8) {
		got = append(got, r.Method+" "+r.Path+" "+r.Body)
	}
	want := []string{
		`GET /search?q=mirror+steel `,
		`GET /search?q=walnut+lamp `,
		`POST /cart {"cart":"run-0","product":"p-002","quantity":3}`,
		`GET /products/p-047 `,
		`POST /cart {"cart":"run-1","product":"p-033","quantity":2}`,
		`GET /products/p-057 `,
		`GET /products/p-017 `,
		`GET /products/p-012 `,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the mix begins\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMixHasItsProportions(t *testing.T) {
	counts := map[string]int{}
	sampled := 0
	reqs := take(NewMix(3, "run"), 10_000)
	for _, r := range reqs {
		route := r.Method + " /" + strings.FieldsFunc(r.Path, func(c rune) bool { return c == '/' || c == '?' })[0]
		counts[route]++
		if strings.HasSuffix(r.TraceParent, "-01") {
			sampled++
		}
	}
	for route, want := range map[string]int{
		"GET /products": 5500, "GET /search": 1500, "POST /cart": 1200, "POST /checkout": 1000, "GET /orders": 800,
	} {
		if got := counts[route]; got < want*9/10 || got > want*11/10 {
			t.Errorf("%d times %s in 10000, want about %d", got, route, want)
		}
	}
	if sampled < 900 || sampled > 1100 {
		t.Errorf("%d sampled traces in 10000, want about 1000", sampled)
	}
}

func TestMixBuildsOnWhatCameBefore(t *testing.T) {
	filled, paid := map[string]int{}, map[string]int{}
	for i, r := range take(NewMix(4, "run"), 20_000) {
		switch {
		case r.Path == "/cart":
			cart := strings.Split(r.Body, `"`)[3]
			if _, twice := filled[cart]; twice {
				t.Fatalf("request %d fills %s again", i, cart)
			}
			filled[cart] = i
		case r.Path == "/checkout":
			cart := strings.Split(r.Body, `"`)[3]
			if at, ok := filled[cart]; !ok || i-at < settleRequests {
				t.Fatalf("request %d pays for %s, which request %d filled", i, cart, at)
			}
			if _, twice := paid[cart]; twice {
				t.Fatalf("request %d pays for %s again", i, cart)
			}
			paid[cart] = i
		case strings.HasPrefix(r.Path, "/orders/"):
			order := strings.TrimPrefix(r.Path, "/orders/")
			if at, ok := paid[order]; !ok || i-at < settleRequests {
				t.Fatalf("request %d looks after %s, which request %d placed", i, order, at)
			}
		}
	}
	m := NewMix(4, "run")
	take(m, 20_000)
	if len(m.carts) > remembered || len(m.orders) > remembered {
		t.Errorf("%d carts and %d orders are remembered", len(m.carts), len(m.orders))
	}
}
