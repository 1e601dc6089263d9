package shop

import (
	"fmt"
	"slices"
	"strings"
)

// A product as the database knows it.
type product struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Cents int64  `json:"price_cents"`
	index int    // in the catalogue
}

// catalogue is immutable. Its length bounds the values of the label "product".
type catalogue struct {
	products []product
	byID     map[string]int
}

// newCatalogue makes the same sixty products each time, p-001 to p-060.
func newCatalogue() *catalogue {
	makes := []string{"oak", "birch", "walnut", "steel", "copper", "linen"}
	things := []string{"table", "chair", "shelf", "lamp", "bowl", "stool", "mirror", "desk", "tray", "clock"}
	c := &catalogue{byID: map[string]int{}}
	for i, thing := range things {
		for j, material := range makes {
			n := len(c.products)
			p := product{
				ID:    fmt.Sprintf("p-%03d", n+1),
				Name:  material + " " + thing,
				Cents: int64(990 + 700*i + 1300*j),
				index: n,
			}
			c.products = append(c.products, p)
			c.byID[p.ID] = n
		}
	}
	return c
}

func (c *catalogue) find(id string) (product, error) {
	n, ok := c.byID[id]
	if !ok {
		return product{}, notFound("product", id)
	}
	return c.products[n], nil
}

// search returns the products most similar to the query, best first.
func (c *catalogue) search(query string, limit int) []product {
	type match struct {
		product
		score float64
	}
	want := trigrams(query)
	var matches []match
	for _, p := range c.products {
		if score := similarity(want, trigrams(p.Name)); score > 0.2 {
			matches = append(matches, match{p, score})
		}
	}
	slices.SortStableFunc(matches, func(a, b match) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	found := make([]product, 0, limit)
	for _, m := range matches[:min(limit, len(matches))] {
		found = append(found, m.product)
	}
	return found
}

// trigrams is the set of three-letter pieces of the words of s.
func trigrams(s string) map[string]struct{} {
	set := map[string]struct{}{}
	for word := range strings.FieldsSeq(strings.ToLower(s)) {
		padded := "  " + word + " "
		for i := range len(padded) - 2 {
			set[padded[i:i+3]] = struct{}{}
		}
	}
	return set
}

// similarity is the share of the wanted pieces that there are.
func similarity(want, have map[string]struct{}) float64 {
	common := 0
	for t := range want {
		if _, ok := have[t]; ok {
			common++
		}
	}
	return float64(common) / float64(max(1, len(want)))
}
