package shop

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestCart(t *testing.T) {
	_, h := newTestShop(t, testSizes())
	for _, tc := range []struct {
		body string
		code int
		want string
	}{
		{`{"cart":"c","product":"p-001","quantity":2}`, 200, `{"cart":"c","items":[{"product":"p-001","quantity":2}]}`},
		{`{"cart":"c","product":"p-002","quantity":1}`, 200, `[{"product":"p-001","quantity":2},{"product":"p-002","quantity":1}]`},
		{`{"cart":"c","product":"p-001","quantity":9}`, 200, `{"product":"p-001","quantity":10}`},
		{`{"product":"p-001","quantity":1}`, 200, `{"cart":"c-`},
		{`{"cart":"c","product":"p-999","quantity":1}`, 404, `no product \"p-999\"`},
		{`{"cart":"c","product":"p-001"}`, 400, "quantity is 0: it must be 1 to 10"},
		{`{"cart":"c","product":"p-001","quantity":11}`, 400, "quantity is 11"},
		{`{"cart":"` + strings.Repeat("c", 65) + `","product":"p-001","quantity":1}`, 400, "cart has 65 bytes: it must have at most 64"},
		{`{"basket":"c"}`, 400, `unknown field \"basket\"`},
		{`{"cart":`, 400, "body: unexpected EOF"},
		{strings.Repeat(" ", maxBody) + `{}`, 400, "body: http: request body too large"},
		{"", 400, "body: EOF"},
	} {
		t.Run(tc.want, func(t *testing.T) {
			want(t, do(h, "POST", "/cart", tc.body), tc.code, tc.want)
		})
	}
}

func TestCartIsBounded(t *testing.T) {
	sz := testSizes()
	sz.keptCarts = 1
	s, h := newTestShop(t, sz)
	fill := func(cart string, n int) (code int) {
		w := do(h, "POST", "/cart", fmt.Sprintf(`{"cart":%q,"product":%q,"quantity":1}`, cart, s.catalogue.products[n].ID))
		return w.Code
	}
	for n := range mostProducts {
		if code := fill("c", n); code != 200 {
			t.Fatalf("product %d was answered %d", n, code)
		}
	}
	if code := fill("c", mostProducts); code != 409 {
		t.Errorf("one product too many was answered %d, want 409", code)
	}
	fill("other", 0)
	want(t, do(h, "POST", "/checkout", `{"cart":"c"}`), 404, `no cart \"c\"`)
}

const addTable = `{"cart":"c","product":"p-001","quantity":2}`

func TestCheckout(t *testing.T) {
	s, h := newTestShop(t, testSizes())
	runWorkers(t, s)
	before := wholeStock(s)
	want(t, do(h, "POST", "/cart", addTable), 200, "")
	w := do(h, "POST", "/checkout", `{"cart":"c","order":"o"}`)
	want(t, w, 202, `"total_cents":1980,"status":"placed"`)
	if l := w.Header().Get("Location"); l != "/orders/o" {
		t.Errorf("Location is %q", l)
	}
	if after := wholeStock(s); after != before-2 {
		t.Errorf("stock went from %d to %d, want 2 less", before, after)
	}
	eventually(t, "the order is settled", func() bool {
		o := decode[order](t, do(h, "GET", "/orders/o", ""))
		return o.Status == statusSettled && len(o.Receipt) == 64
	})
	want(t, do(h, "POST", "/checkout", `{"cart":"c","order":"o"}`), 200, `"status":"settled"`) // repeated
	want(t, do(h, "POST", "/checkout", `{"cart":"c","order":"o2"}`), 404, `no cart \"c\"`)
	want(t, do(h, "GET", "/orders/o2", ""), 404, `no order \"o2\"`)
	want(t, do(h, "POST", "/cart", addTable), 200, "")
	want(t, do(h, "POST", "/checkout", `{"cart":"c"}`), 202, `"order":"o-`)
	want(t, do(h, "POST", "/checkout", `{"cart":"c","order":"`+strings.Repeat("o", 65)+`"}`), 400, "order has 65 bytes")
	eventually(t, "both orders are counted", func() bool {
		return testutil.ToFloat64(s.metrics.orders.WithLabelValues(statusSettled)) == 2
	})
}

func TestCheckoutThatFails(t *testing.T) {
	for _, tc := range []struct {
		name    string
		sizes   func(*sizes)
		prepare func(*shop)
		code    int
		text    string
		outcome string
	}{
		{"declined", func(sz *sizes) { sz.declined = 1 }, func(*shop) {}, 402, "the payment was declined", statusDeclined},
		{"out of stock", func(*sizes) {}, func(s *shop) {
			table := s.catalogue.products[0]
			_, _ = s.stock.reserve([]item{{Quantity: s.stock.levels(table)[0], product: table}})
		}, 409, "a product is out of stock", statusOutOfStock},
		{"queue full", func(sz *sizes) { sz.queue = 1 }, func(s *shop) { s.settler.submit("another") }, 503, "too many orders", statusRejected},
		{"slow database", func(sz *sizes) { sz.requestTimeout = time.Millisecond }, func(s *shop) {
			_ = s.faults.SwitchOn("slow-dependency", 5000)
		}, 504, "query price_cart: context deadline exceeded", statusFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sz := testSizes()
			tc.sizes(&sz)
			s, h := newTestShop(t, sz)
			table, _ := s.catalogue.find("p-001")
			s.carts.Put("c", cart{ID: "c", Items: []item{{"p-001", 2, table}}})
			tc.prepare(s)
			before := wholeStock(s)
			want(t, do(h, "POST", "/checkout", `{"cart":"c","order":"o"}`), tc.code, tc.text)
			want(t, do(h, "GET", "/orders/o", ""), 200, `"status":"`+tc.outcome+`"`)
			if n := testutil.ToFloat64(s.metrics.orders.WithLabelValues(tc.outcome)); n != 1 {
				t.Errorf("%v orders counted as %s, want 1", n, tc.outcome)
			}
			if after := wholeStock(s); after != before {
				t.Errorf("stock went from %d to %d though nothing was sold", before, after)
			}
		})
	}
}

func TestExhaustedPoolIsAnswered(t *testing.T) {
	sz := testSizes()
	sz.dbConns, sz.acquireTimeout = 1, time.Millisecond
	s, h := newTestShop(t, sz)
	if err := s.faults.SwitchOn("slow-dependency", 5000); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.faults.Close()
	wg.Go(func() { do(h, "GET", "/products/p-001", "") }) // pins the connection
	eventually(t, "the pool is pinned", func() bool {
		return strings.Contains(do(h, "GET", "/metrics", "").Body.String(), "\ndb_pool_in_use 1\n")
	})
	want(t, do(h, "GET", "/products/p-002", ""), 503, "query get_product: no database connection came free")
}

func TestOrderThatCannotBeSettled(t *testing.T) {
	s, _ := newTestShop(t, testSizes())
	before := wholeStock(s)
	parcels, err := s.stock.reserve([]item{{Quantity: 3, product: s.catalogue.products[0]}})
	if err != nil {
		t.Fatal(err)
	}
	s.orders.Put("o", order{ID: "o", Status: statusPlaced, parcels: parcels})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	s.settler.settle(canceled, "o")
	if o, _ := s.orders.Get("o"); o.Status != statusFailed {
		t.Errorf("the order is %s, want %s", o.Status, statusFailed)
	}
	if after := wholeStock(s); after != before {
		t.Errorf("stock went from %d to %d though nothing was sold", before, after)
	}
}

func TestDrainSettlesWhatWaits(t *testing.T) {
	s, _ := newTestShop(t, testSizes())
	for n := range 100 {
		id := fmt.Sprint(n)
		s.orders.Put(id, order{ID: id, Status: statusPlaced})
		s.settler.submit(id)
	}
	s.settler.drain()
	s.settler.run(t.Context())
	if n := testutil.ToFloat64(s.metrics.orders.WithLabelValues(statusSettled)); n != 100 {
		t.Errorf("%v of 100 waiting orders were settled", n)
	}
}
