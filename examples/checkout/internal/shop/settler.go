package shop

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"outrider/examples/checkout/internal/db"
	"outrider/examples/checkout/internal/lru"
)

var (
	queryBook   = db.Query{Name: "book_order", Median: 16 * time.Millisecond}
	queryOutbox = db.Query{Name: "write_outbox", Median: 5 * time.Millisecond}
)

const (
	settleAttempts = 3
	settleTimeout  = 5 * time.Second // for all attempts
)

// settler books placed orders, some at a time, from a bounded queue.
type settler struct {
	log     *slog.Logger
	db      *db.DB
	orders  *lru.Cache[string, order]
	stock   *inventory
	metrics *metrics
	workers int

	queue    chan string // identifiers of orders
	draining chan struct{}
}

func newSettler(s *shop) *settler {
	st := &settler{
		log: s.log, db: s.db, orders: s.orders, stock: s.stock, metrics: s.metrics,
		workers:  s.sizes.workers,
		queue:    make(chan string, s.sizes.queue),
		draining: make(chan struct{}),
	}
	s.metrics.watchQueue(func() int { return len(st.queue) }, cap(st.queue))
	return st
}

// submit hands an order over, unless the queue is full.
func (st *settler) submit(id string) bool {
	select {
	case st.queue <- id:
		return true
	default:
		return false
	}
}

// drain lets run return as soon as the queue is empty. It is called once.
func (st *settler) drain() { close(st.draining) }

// run settles orders until drain was called and the queue is empty, or ctx is done.
func (st *settler) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range st.workers {
		wg.Go(func() { st.work(ctx) })
	}
	wg.Wait()
}

func (st *settler) work(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case id := <-st.queue:
			st.settle(ctx, id)
			continue
		default:
		}
		select {
		case id := <-st.queue:
			st.settle(ctx, id)
		case <-st.draining:
			return
		case <-ctx.Done():
		}
	}
}

func (st *settler) settle(ctx context.Context, id string) {
	st.metrics.busyWorkers.Inc()
	defer st.metrics.busyWorkers.Dec()
	defer observeSince(st.metrics.settle, time.Now())
	o, ok := st.orders.Get(id)
	if !ok {
		return // so many came after it that it was forgotten
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := st.book(ctx); err != nil {
		st.log.Warn("order not settled", "order", id, "err", err)
		o.Status = statusFailed
		st.stock.release(o.parcels)
	} else {
		o.Status, o.Receipt = statusSettled, signReceipt(o)
	}
	st.orders.Put(id, o)
	st.metrics.orders.WithLabelValues(o.Status).Inc()
}

func (st *settler) book(ctx context.Context) (err error) {
	for range settleAttempts {
		if err = st.db.Query(ctx, queryBook); err != nil {
			continue
		}
		if err = st.db.Query(ctx, queryOutbox); err == nil {
			return nil
		}
	}
	return fmt.Errorf("book order: %w", err)
}

// signReceipt signs the order with a key derived the slow way, so that workers have something
// to compute.
func signReceipt(o order) string {
	key := sha256.Sum256([]byte(o.ID))
	for range 100 {
		key = sha256.Sum256(key[:])
	}
	body, err := json.Marshal(o)
	if err != nil {
		panic("BUG: an order cannot be encoded: " + err.Error())
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
