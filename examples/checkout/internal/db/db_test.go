package db

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"outrider/examples/checkout/internal/latency"
)

func newTestDB(t *testing.T, conns int, stall func(context.Context)) (*DB, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	return New(Options{Conns: conns, AcquireTimeout: time.Second, Latency: latency.New(1, 1, 1), Stall: stall, Registerer: reg}), reg
}

var pick = Query{Name: "pick", Median: 10 * time.Millisecond}

func TestQueryTakesTimeAndGivesTheConnectionBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newTestDB(t, 1, nil)
		same := latency.New(1, 1, 1)
		for range 5 {
			start := time.Now()
			if err := d.Query(t.Context(), pick); err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(start), same.Draw(pick.Median); got != want {
				t.Errorf("a query took %v, want %v", got, want)
			}
		}
		if n := d.pool.inUse(); n != 0 {
			t.Errorf("%d connections are still in use", n)
		}
	})
}

func TestExhaustedPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d, reg := newTestDB(t, 2, func(context.Context) { <-release })
		for range 2 {
			go d.Query(context.Background(), pick)
		}
		synctest.Wait()

		canceled, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := d.Query(canceled, pick); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a query past its deadline returned %v", err)
		}
		done := make(chan error)
		go func() { done <- d.Query(context.Background(), pick) }()
		synctest.Wait()
		if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP db_pool_idle Connections that wait for a query.
# TYPE db_pool_idle gauge
db_pool_idle 0
# HELP db_pool_in_use Connections that a query holds.
# TYPE db_pool_in_use gauge
db_pool_in_use 2
# HELP db_pool_waiting Queries that wait for a connection.
# TYPE db_pool_waiting gauge
db_pool_waiting 1
# HELP db_query_failures_total Queries that got no connection or were given up.
# TYPE db_query_failures_total counter
db_query_failures_total{query="pick"} 1
`), "db_pool_idle", "db_pool_in_use", "db_pool_waiting", "db_query_failures_total"); err != nil {
			t.Error(err)
		}
		start := time.Now()
		if err := <-done; !errors.Is(err, ErrPoolExhausted) {
			t.Errorf("a query without a connection returned %v, want %v", err, ErrPoolExhausted)
		}
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("it gave up after %v, want the acquire timeout", waited)
		}

		close(release)
		if err := d.Query(t.Context(), pick); err != nil {
			t.Errorf("once connections came free: %v", err)
		}
	})
}

func TestQueryIsGivenUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newTestDB(t, 1, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := d.Query(ctx, Query{Name: "slow", Median: time.Hour})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "query slow: ") {
			t.Errorf("Query returned %v", err)
		}
		if n := d.pool.inUse(); n != 0 {
			t.Errorf("%d connections are still in use", n)
		}
	})
}

func TestReleaseTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a second release did not panic")
		}
	}()
	newPool(1, time.Second).release()
}

func TestMetricsAreClean(t *testing.T) {
	d, reg := newTestDB(t, 1, nil)
	if err := d.Query(t.Context(), Query{Name: "pick"}); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
