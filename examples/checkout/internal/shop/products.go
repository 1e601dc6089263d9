package shop

import (
	"context"
	"net/http"
	"time"

	"outrider/examples/checkout/internal/db"
)

var (
	queryProduct = db.Query{Name: "get_product", Median: 6 * time.Millisecond}
	querySearch  = db.Query{Name: "search", Median: 30 * time.Millisecond}
)

const (
	searchResults  = 10
	longestKeyword = 100 // bytes
)

type productInStock struct {
	product
	InStock int `json:"in_stock"`
}

func (s *shop) getProduct(w http.ResponseWriter, r *http.Request) error {
	p, err := s.loadProduct(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	s.metrics.views.WithLabelValues(p.ID).Inc()
	return writeJSON(w, http.StatusOK, productInStock{p, s.stock.levels(p)[0]})
}

// loadProduct reads through the cache. Products that don't exist are looked up each time.
func (s *shop) loadProduct(ctx context.Context, id string) (product, error) {
	if p, ok := s.products.Get(id); ok {
		s.metrics.cacheHits.Inc()
		return p, nil
	}
	s.metrics.cacheMisses.Inc()
	if err := s.db.Query(ctx, queryProduct); err != nil {
		return product{}, err
	}
	p, err := s.catalogue.find(id)
	if err != nil {
		return product{}, err
	}
	s.products.Put(id, p)
	return p, nil
}

func (s *shop) search(w http.ResponseWriter, r *http.Request) error {
	q := r.FormValue("q")
	if q == "" || len(q) > longestKeyword {
		return badRequest("parameter q: it must have 1 to %d bytes", longestKeyword)
	}
	if err := s.db.Query(r.Context(), querySearch); err != nil {
		return err
	}
	found := s.catalogue.search(q, searchResults)
	results := make([]productInStock, len(found))
	for i, level := range s.stock.levels(found...) {
		results[i] = productInStock{found[i], level}
	}
	return writeJSON(w, http.StatusOK, map[string]any{"query": q, "results": results})
}
