package shop

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	deliveryEvery = 200 * time.Millisecond
	readDelivery  = 20 * time.Millisecond // to read the feed of a warehouse
	deliveryLines = 20                    // in that feed
	fullShelf     = 400                   // units of one product in one warehouse
)

// inventory is the stock of all warehouses behind one mutex. The warehouse feed is read while
// that mutex is held, about a tenth of the time: the modest contention that a service has
// without anybody having planned it.
type inventory struct {
	every    time.Duration
	readTime time.Duration
	gauges   [][]prometheus.Gauge

	mu    sync.Mutex
	units [][]int // by product and warehouse
	rng   *rand.Rand
}

// parcel is a number of units of one product from one warehouse.
type parcel struct{ product, warehouse, units int }

func newInventory(c *catalogue, m *metrics, seed uint64, pace float64) *inventory {
	inv := &inventory{
		every:    time.Duration(pace * float64(deliveryEvery)),
		readTime: time.Duration(pace * float64(readDelivery)),
		rng:      rand.New(rand.NewPCG(seed, streamInventory)),
	}
	for i, p := range c.products {
		inv.units = append(inv.units, make([]int, len(warehouses)))
		inv.gauges = append(inv.gauges, make([]prometheus.Gauge, len(warehouses)))
		for w, name := range warehouses {
			inv.gauges[i][w] = m.stock.WithLabelValues(p.ID, name)
			inv.add(parcel{i, w, fullShelf/2 + inv.rng.IntN(fullShelf/2)})
		}
	}
	return inv
}

// levels returns how many units there are of each product.
func (inv *inventory) levels(products ...product) []int {
	levels := make([]int, len(products))
	inv.mu.Lock()
	defer inv.mu.Unlock()
	for i, p := range products {
		for _, units := range inv.units[p.index] {
			levels[i] += units
		}
	}
	return levels
}

// reserve takes the items out of the stock, all or none of them. It returns errOutOfStock.
func (inv *inventory) reserve(items []item) ([]parcel, error) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	var taken []parcel
	for _, it := range items {
		missing := it.Quantity
		for w, units := range inv.units[it.product.index] {
			if n := min(missing, units); n > 0 {
				taken = append(taken, parcel{it.product.index, w, n})
				inv.add(parcel{it.product.index, w, -n})
				missing -= n
			}
		}
		if missing > 0 {
			inv.putBack(taken)
			return nil, errOutOfStock
		}
	}
	return taken, nil
}

// release puts what reserve took back into the stock.
func (inv *inventory) release(taken []parcel) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.putBack(taken)
}

// run takes deliveries until ctx is done.
func (inv *inventory) run(ctx context.Context) {
	ticker := time.NewTicker(inv.every)
	defer ticker.Stop()
	for w := 0; ; w = (w + 1) % len(warehouses) {
		select {
		case <-ticker.C:
			inv.applyDelivery(w)
		case <-ctx.Done():
			return
		}
	}
}

func (inv *inventory) applyDelivery(warehouse int) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	time.Sleep(inv.readTime)
	for range deliveryLines {
		i := inv.rng.IntN(len(inv.units))
		room := fullShelf - inv.units[i][warehouse]
		inv.add(parcel{i, warehouse, max(0, min(room, 1+inv.rng.IntN(20)))})
	}
}

func (inv *inventory) putBack(taken []parcel) {
	for _, p := range taken {
		inv.add(p)
	}
}

// add needs the mutex.
func (inv *inventory) add(p parcel) {
	n := &inv.units[p.product][p.warehouse]
	*n += p.units
	inv.gauges[p.product][p.warehouse].Set(float64(*n))
}
