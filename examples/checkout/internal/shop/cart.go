package shop

import (
	"net/http"
	"slices"
)

const (
	mostOfOne    = 10 // units of a product in a cart
	mostProducts = 20 // in a cart
)

// item is a product and how many of it.
type item struct {
	ProductID string `json:"product"`
	Quantity  int    `json:"quantity"`
	product   product
}

// cart is a value: a change makes a new one.
type cart struct {
	ID    string `json:"cart"`
	Items []item `json:"items"`
}

// postCart adds a product to a cart. The client may name the cart; a new name is a new cart.
func (s *shop) postCart(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Cart     string `json:"cart"`
		Product  string `json:"product"`
		Quantity int    `json:"quantity"`
	}
	if err := readJSON(w, r, &req); err != nil {
		return err
	}
	if err := checkID("cart", req.Cart); err != nil {
		return err
	}
	if req.Quantity < 1 || req.Quantity > mostOfOne {
		return badRequest("quantity is %d: it must be 1 to %d", req.Quantity, mostOfOne)
	}
	p, err := s.loadProduct(r.Context(), req.Product)
	if err != nil {
		return err
	}
	if req.Cart == "" {
		req.Cart = newID("c")
	}
	updated, err := s.carts.Update(req.Cart, func(old cart, _ bool) (cart, error) {
		return old.with(req.Cart, item{ProductID: p.ID, Quantity: req.Quantity, product: p})
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, updated)
}

// with returns the cart with an item more.
func (c cart) with(id string, add item) (cart, error) {
	items := slices.Clone(c.Items)
	i := slices.IndexFunc(items, func(it item) bool { return it.ProductID == add.ProductID })
	switch {
	case i >= 0:
		items[i].Quantity = min(mostOfOne, items[i].Quantity+add.Quantity)
	case len(items) == mostProducts:
		return c, conflict("the cart is full: it holds at most %d products", mostProducts)
	default:
		items = append(items, add)
	}
	return cart{ID: id, Items: items}, nil
}

func (c cart) cents() (sum int64) {
	for _, it := range c.Items {
		sum += int64(it.Quantity) * it.product.Cents
	}
	return sum
}
