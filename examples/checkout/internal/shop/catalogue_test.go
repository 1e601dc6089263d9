package shop

import (
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestGetProduct(t *testing.T) {
	s, h := newTestShop(t, testSizes())
	for range 2 {
		w := do(h, "GET", "/products/p-001", "")
		want(t, w, 200, `"name":"oak table","price_cents":990`)
		if p := decode[productInStock](t, w); p.InStock != s.stock.levels(s.catalogue.products[0])[0] {
			t.Errorf("%d in stock", p.InStock)
		}
	}
	want(t, do(h, "GET", "/products/p-061", ""), 404, `no product \"p-061\"`)
	want(t, do(h, "DELETE", "/products/p-001", ""), 405, "")
	if hits, misses := testutil.ToFloat64(s.metrics.cacheHits), testutil.ToFloat64(s.metrics.cacheMisses); hits != 1 || misses != 2 {
		t.Errorf("%v cache hits and %v misses, want 1 and 2", hits, misses)
	}
	if views := testutil.ToFloat64(s.metrics.views.WithLabelValues("p-001")); views != 2 {
		t.Errorf("%v views, want 2", views)
	}
	if n := testutil.CollectAndCount(s.metrics.views); n != 1 {
		t.Errorf("%d products have views: the one that does not exist must not", n)
	}
}

func TestSearch(t *testing.T) {
	_, h := newTestShop(t, testSizes())
	search := func(q string) []productInStock {
		w := do(h, "GET", "/search?"+url.Values{"q": {q}}.Encode(), "")
		want(t, w, 200, "")
		return decode[struct{ Results []productInStock }](t, w).Results
	}
	for _, q := range []string{"walnut desk", "WALNUT  desk", "walnut dsk"} {
		found := search(q)
		if len(found) != searchResults || found[0].Name != "walnut desk" {
			t.Errorf("search for %q found %v", q, found)
		}
	}
	if found := search("xyzzy"); len(found) != 0 {
		t.Errorf("search for nonsense found %v", found)
	}
	want(t, do(h, "GET", "/search", ""), 400, "parameter q: it must have 1 to 100 bytes")
	want(t, do(h, "GET", "/search?q="+strings.Repeat("a", 101), ""), 400, "parameter q")
}

func TestCatalogueIsBounded(t *testing.T) {
	c := newCatalogue()
	if len(c.products) != 60 || len(c.byID) != 60 {
		t.Errorf("%d products with %d identifiers, want 60: the load and the label product count on it", len(c.products), len(c.byID))
	}
}
