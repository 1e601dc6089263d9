package shop

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// wholeStock counts the units of all products.
func wholeStock(s *shop) (sum int) {
	for _, n := range s.stock.levels(s.catalogue.products...) {
		sum += n
	}
	return sum
}

func TestReserveAllOrNothing(t *testing.T) {
	s, _ := newTestShop(t, testSizes())
	before := wholeStock(s)
	table, chair := s.catalogue.products[0], s.catalogue.products[1]
	items := []item{{Quantity: 10, product: table}, {Quantity: 1 + s.stock.levels(chair)[0], product: chair}}
	if _, err := s.stock.reserve(items); !errors.Is(err, errOutOfStock) {
		t.Fatalf("reserve returned %v, want %v", err, errOutOfStock)
	}
	if after := wholeStock(s); after != before {
		t.Errorf("a refused reservation changed the stock from %d to %d", before, after)
	}

	items[1].Quantity-- // all there are, of all warehouses
	parcels, err := s.stock.reserve(items)
	if err != nil {
		t.Fatal(err)
	}
	if levels := s.stock.levels(chair); levels[0] != 0 {
		t.Errorf("%d chairs are left, want none", levels[0])
	}
	s.stock.release(parcels)
	if after := wholeStock(s); after != before {
		t.Errorf("stock was %d and is %d after a release", before, after)
	}
}

func TestConcurrentReservations(t *testing.T) {
	s, _ := newTestShop(t, testSizes())
	table := s.catalogue.products[0]
	stock := s.stock.levels(table)[0]
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		reserved int
	)
	for range 50 {
		wg.Go(func() {
			for {
				if _, err := s.stock.reserve([]item{{Quantity: 1, product: table}}); err != nil {
					return
				}
				mu.Lock()
				reserved++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if reserved != stock {
		t.Errorf("%d of %d units were sold", reserved, stock)
	}
}

func TestDeliveriesFillTheShelves(t *testing.T) {
	sz := testSizes()
	sz.pace = 0.005
	s, _ := newTestShop(t, sz)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.stock.run(ctx) })
	full := fullShelf * len(warehouses) * len(s.catalogue.products)
	before := wholeStock(s)
	eventually(t, "deliveries arrive", func() bool { return wholeStock(s) > before })
	cancel()
	wg.Wait()
	s.stock.readTime = 0
	for range 2000 {
		s.stock.applyDelivery(0)
		s.stock.applyDelivery(1)
		s.stock.applyDelivery(2)
	}
	if n := wholeStock(s); n != full {
		t.Errorf("after many deliveries there are %d units, want full shelves: %d", n, full)
	}
}
