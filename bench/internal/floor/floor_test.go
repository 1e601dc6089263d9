package floor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"outrider/bench/internal/load"
	"outrider/bench/internal/sink"
	"outrider/bench/internal/target"
)

// TestFloorDelivers runs the loop between targets and the sink of this module, and wants
// every body to arrive whole and once.
func TestFloorDelivers(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		t.Run(map[bool]string{false: "1.0", true: "2.0"}[v2], func(t *testing.T) {
			l := load.Load{Targets: 2, Series: 300, Interval: 50 * time.Millisecond}
			targets, err := target.Listen(l, false)
			if err != nil {
				t.Fatal(err)
			}
			receiver, err := sink.Listen()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 3)
			go func() { done <- targets.Run(ctx) }()
			go func() { done <- receiver.Run(ctx) }()
			floorCtx, stopFloor := context.WithCancel(ctx)
			defer stopFloor()
			ended := make(chan error, 1)
			addresses := targets.Addresses()
			go func() {
				ended <- Run(floorCtx, Options{
					Targets: addresses.Targets, Sink: "http://" + receiver.Address() + "/api/v1/write",
					V2: v2, Interval: l.Interval, File: filepath.Join(t.TempDir(), "spool"),
				})
			}()
			const requests = 6
			for deadline := time.Now().Add(20 * time.Second); ; {
				var stats sink.Stats
				getJSON(t, receiver.Address()+"/stats", &stats)
				if stats.Requests >= requests {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d requests came, want %d", stats.Requests, requests)
				}
				select {
				case err := <-ended:
					t.Fatalf("the loop has ended: %v", err)
				case <-time.After(10 * time.Millisecond):
				}
			}
			stopFloor()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			var check sink.Check
			getJSON(t, fmt.Sprintf("%s/check?from=0&to=%d", receiver.Address(), time.Now().UnixNano()), &check)
			var bodies [][]target.Body
			getJSON(t, addresses.Control+"/bodies", &bodies)
			served := 0
			for i, b := range bodies {
				_, port, err := net.SplitHostPort(addresses.Targets[i])
				if err != nil {
					t.Fatal(err)
				}
				served += len(b)
				m := sink.Compare(b, check.Scrapes[port], l.Series, time.Hour, time.UnixMilli(0), time.UnixMilli(1))
				if m.Wrong > 0 {
					t.Errorf("target %d: %s", i, m)
				}
				for n, k := range check.Scrapes[port] {
					if k.Serial != n+1 || k.Samples != l.Series {
						t.Errorf("target %d: scrape %d arrived as %+v", i, n+1, k)
					}
				}
			}
			if check.Bad > 0 || check.Repeats > 0 || check.Samples != served*l.Series {
				t.Errorf("%d samples of %d bodies, %d repeats, %d bad requests (%s)", check.Samples, served, check.Repeats, check.Bad, check.FirstBad)
			}
			cancel()
			for range 2 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func getJSON(t *testing.T, address string, v any) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("get %s: %v %s", address, err, text)
	}
}

func TestParseLine(t *testing.T) {
	labels, value, err := parseLine(`http_requests_total{client="c1",handler="/a{id}"} 1.5e+06`)
	if want := []label{{"client", "c1"}, {"handler", "/a{id}"}, {"__name__", "http_requests_total"}}; err != nil || value != 1.5e6 || fmt.Sprint(labels) != fmt.Sprint(want) {
		t.Errorf("got %v %g, %v; want %v", labels, value, err, want)
	}
	labels, value, err = parseLine(`go_threads 17`)
	if want := []label{{"__name__", "go_threads"}}; err != nil || value != 17 || fmt.Sprint(labels) != fmt.Sprint(want) {
		t.Errorf("got %v %g, %v; want %v", labels, value, err, want)
	}
	for _, line := range []string{"", "go_threads", "go_threads x", `a{b} 1`} {
		if labels, value, err := parseLine(line); err == nil {
			t.Errorf("parse %q: got %v %g, want an error", line, labels, value)
		}
	}
}
