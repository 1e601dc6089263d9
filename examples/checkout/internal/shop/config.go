package shop

import (
	"log/slog"
	"net"
	"time"
)

// Config is what a user can choose.
type Config struct {
	Logger *slog.Logger
	// Listen is the address of the shop. The shop has no authentication and its faults can be
	// switched by whoever reaches it.
	Listen string
	// PprofListen is an address of their own for the pprof handlers. Empty serves them on
	// Listen.
	PprofListen string
	// Seed makes catalogue stock, latencies and declined payments reproducible.
	Seed uint64
	// SDK runs pyroscope-go in the process, which then owns the CPU profiler: a CPU profile
	// asked for over HTTP is refused meanwhile. It uploads to PyroscopeURL.
	SDK          bool
	PyroscopeURL string
	// OnListen, if set, is called once requests are answered. pprof is the same address as
	// shop unless PprofListen was set.
	OnListen func(shop, pprof net.Addr)
}

// sizes are the bounds and the pace of the shop, which only tests change.
type sizes struct {
	dbConns        int           // few enough that queries wait for one now and then
	acquireTimeout time.Duration // for a database connection
	requestTimeout time.Duration
	maxInFlight    int // requests; more are answered 503
	workers        int
	queue          int     // orders that wait for a worker; more are answered 503
	cachedProducts int     // fewer than the catalogue holds, so that some lookups miss
	keptCarts      int     // the least recently used go
	keptOrders     int     // likewise
	declined       float64 // share of the payments
	pace           float64 // multiplies all latencies
}

func defaultSizes() sizes {
	return sizes{
		dbConns:        3,
		acquireTimeout: time.Second,
		requestTimeout: 5 * time.Second,
		maxInFlight:    256,
		workers:        4,
		queue:          256,
		cachedProducts: 40,
		keptCarts:      4096,
		keptOrders:     8192,
		declined:       0.01,
		pace:           1,
	}
}
