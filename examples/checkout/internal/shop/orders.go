package shop

import "net/http"

// The states of an order. All but the first two are final, and the values of the label
// "outcome".
const (
	statusOpen       = "open"
	statusPlaced     = "placed"
	statusSettled    = "settled"
	statusFailed     = "failed"
	statusOutOfStock = "out_of_stock"
	statusDeclined   = "declined"
	statusRejected   = "rejected"
)

var outcomes = []string{statusSettled, statusFailed, statusOutOfStock, statusDeclined, statusRejected}

// order is a value: a change makes a new one.
type order struct {
	ID      string `json:"order"`
	Items   []item `json:"items"`
	Cents   int64  `json:"total_cents"`
	Status  string `json:"status"`
	Receipt string `json:"receipt,omitempty"` // once settled
	parcels []parcel
}

func (s *shop) getOrder(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	o, ok := s.orders.Get(id)
	if !ok {
		return notFound("order", id)
	}
	return writeJSON(w, http.StatusOK, o)
}
