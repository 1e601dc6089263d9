package shop

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"outrider/examples/checkout/internal/db"
	"outrider/examples/checkout/internal/faults"
	"outrider/examples/checkout/internal/latency"
	"outrider/examples/checkout/internal/lru"
)

// Each part of the shop that draws random numbers has a stream of its own.
const (
	streamDatabase = iota + 1
	streamPayments
	streamInventory
)

// shop is everything that requests share.
type shop struct {
	log       *slog.Logger
	sizes     sizes
	registry  *prometheus.Registry
	metrics   *metrics
	faults    *faults.Set
	catalogue *catalogue
	db        *db.DB
	products  *lru.Cache[string, product]
	carts     *lru.Cache[string, cart]
	orders    *lru.Cache[string, order]
	stock     *inventory
	payments  *latency.Source
	settler   *settler
	slots     chan struct{} // one for each request that may be in flight
	stopping  atomic.Bool
}

func newShop(log *slog.Logger, seed uint64, sz sizes) *shop {
	reg := newRegistry()
	m := newMetrics(reg)
	fs := faults.NewSet(reg)
	s := &shop{
		log: log, sizes: sz, registry: reg, metrics: m, faults: fs,
		catalogue: newCatalogue(),
		db: db.New(db.Options{
			Conns:          sz.dbConns,
			AcquireTimeout: sz.acquireTimeout,
			Latency:        latency.New(seed, streamDatabase, sz.pace),
			Stall:          fs.Stall,
			Registerer:     reg,
		}),
		products: lru.New[string, product](sz.cachedProducts),
		carts:    lru.New[string, cart](sz.keptCarts),
		orders:   lru.New[string, order](sz.keptOrders),
		payments: latency.New(seed, streamPayments, sz.pace),
		slots:    make(chan struct{}, sz.maxInFlight),
	}
	s.stock = newInventory(s.catalogue, m, seed, sz.pace)
	s.settler = newSettler(s)
	m.watchCache(s.products.Len)
	return s
}

// handler serves the shop and what operators need of it, all but pprof.
func (s *shop) handler() *http.ServeMux {
	api := s.api()
	mux := http.NewServeMux()
	mux.Handle("/", s.instrument(api))
	mux.HandleFunc("GET /{$}", serveOverview)
	mux.HandleFunc("GET /healthz", s.serveHealth)
	mux.Handle("GET /metrics", promhttp.InstrumentMetricHandler(s.registry,
		promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{
			Registry:            s.registry,
			EnableOpenMetrics:   true, // exemplars need it
			MaxRequestsInFlight: 8,
		})))
	s.faults.Routes(mux)
	return mux
}

// api is what customers use. Its patterns are the values of the label "route".
func (s *shop) api() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /products/{id}": s.getProduct,
		"GET /search":        s.search,
		"POST /cart":         s.postCart,
		"POST /checkout":     s.postCheckout,
		"GET /orders/{id}":   s.getOrder,
	} {
		mux.Handle(pattern, answerErrors(h))
	}
	return mux
}

// serveHealth says whether the shop takes requests. It knows nothing of the database: a
// restart would not mend that.
func (s *shop) serveHealth(w http.ResponseWriter, _ *http.Request) {
	if s.stopping.Load() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func serveOverview(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, `checkout, an example service

GET  /products/p-001
GET  /search?q=oak+table
POST /cart      {"cart": "c1", "product": "p-001", "quantity": 2}
POST /checkout  {"cart": "c1", "order": "o1"}
GET  /orders/o1

GET  /healthz
GET  /metrics
GET  /debug/pprof/   (or on the address of -pprof-listen)
GET  /faults
POST /faults/heap-leak?on=true&level=64
`)
}
