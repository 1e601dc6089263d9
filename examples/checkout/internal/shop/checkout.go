package shop

import (
	"context"
	"errors"
	"net/http"
	"time"

	"outrider/examples/checkout/internal/db"
)

var (
	queryPrices  = db.Query{Name: "price_cart", Median: 6 * time.Millisecond}
	queryReserve = db.Query{Name: "reserve_stock", Median: 10 * time.Millisecond}
)

const paymentMedian = 25 * time.Millisecond

var (
	errOutOfStock = &statusError{http.StatusConflict, "a product is out of stock"}
	errDeclined   = &statusError{http.StatusPaymentRequired, "the payment was declined"}
	errQueueFull  = &statusError{http.StatusServiceUnavailable, "too many orders wait to be settled, try again later"}
)

// postCheckout turns a cart into an order: price, reserve, pay, and leave the rest to a worker.
// The client may name the order; naming one that exists answers it and does nothing else, so a
// request may be repeated.
func (s *shop) postCheckout(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Cart  string `json:"cart"`
		Order string `json:"order"`
	}
	if err := readJSON(w, r, &req); err != nil {
		return err
	}
	if err := checkID("order", req.Order); err != nil {
		return err
	}
	if req.Order == "" {
		req.Order = newID("o")
	}
	if o, ok := s.orders.Get(req.Order); ok {
		return writeJSON(w, http.StatusOK, o)
	}
	c, ok := s.carts.Get(req.Cart)
	if !ok {
		return notFound("cart", req.Cart)
	}
	o, err := s.orders.Update(req.Order, func(old order, ok bool) (order, error) {
		if ok {
			return old, conflict("order %s is being placed", req.Order)
		}
		return order{ID: req.Order, Items: c.Items, Cents: c.cents(), Status: statusOpen}, nil
	})
	if err != nil {
		return err
	}
	if err := s.place(r.Context(), o); err != nil {
		o.Status = outcomeOf(err)
		s.orders.Put(o.ID, o)
		s.metrics.orders.WithLabelValues(o.Status).Inc()
		return err
	}
	s.carts.Remove(c.ID)
	w.Header().Set("Location", "/orders/"+o.ID)
	o.Status = statusPlaced
	return writeJSON(w, http.StatusAccepted, o)
}

// place does what must be done while the client waits. Whatever it returns, nothing stays
// reserved for an order that was not placed.
func (s *shop) place(ctx context.Context, o order) (err error) {
	if err := s.db.Query(ctx, queryPrices); err != nil {
		return err
	}
	if err := s.db.Query(ctx, queryReserve); err != nil {
		return err
	}
	parcels, err := s.stock.reserve(o.Items)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.stock.release(parcels)
		}
	}()
	if err := s.pay(ctx); err != nil {
		return err
	}
	o.Status, o.parcels = statusPlaced, parcels
	s.orders.Put(o.ID, o)
	if !s.settler.submit(o.ID) {
		return errQueueFull
	}
	return nil
}

// pay waits for the payment provider, which is not on this machine.
func (s *shop) pay(ctx context.Context) error {
	defer observeSince(s.metrics.payment, time.Now())
	if err := s.payments.Wait(ctx, paymentMedian); err != nil {
		return err
	}
	if s.payments.Chance(s.sizes.declined) {
		return errDeclined
	}
	return nil
}

func outcomeOf(err error) string {
	switch {
	case errors.Is(err, errOutOfStock):
		return statusOutOfStock
	case errors.Is(err, errDeclined):
		return statusDeclined
	case errors.Is(err, errQueueFull):
		return statusRejected
	}
	return statusFailed
}
