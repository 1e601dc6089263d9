package faults

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// probeEvery is how often a sidecar that is going to be killed is asked whether it lives.
const probeEvery = 25 * time.Millisecond

// probe keeps asking a sidecar for its health. On a machine where others take all the time a
// process may get none for seconds; the last question that it answered says up to when it had
// the chance to write down what it had read.
type probe struct {
	stop func()

	mu    sync.Mutex
	asked time.Time // when the last question was asked that was answered
}

// newProbe starts a probe of a URL. Its owner calls stop.
func newProbe(url string) *probe {
	ctx, cancel := context.WithCancel(context.Background())
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	p := &probe{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.CloseIdleConnections()
		tick := time.NewTicker(probeEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			p.ask(ctx, c, url)
		}
	}()
	p.stop = func() {
		cancel()
		<-done
	}
	return p
}

func (p *probe) ask(ctx context.Context, c *http.Client, url string) {
	asked := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	resp, err := c.Do(req)
	if err != nil {
		return // not listening yet, or killed
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	resp.Body.Close()
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = asked
}

// last is when the last question was asked that was answered; zero before the first.
func (p *probe) last() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}
