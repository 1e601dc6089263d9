package floor

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/golang/snappy"
	"golang.org/x/sync/errgroup"
)

// Options are what to do.
type Options struct {
	Targets  []string // host:port
	Sink     string   // URL of the receiver
	V2       bool     // remote write 2.0
	Interval time.Duration
	File     string // what was sent is written here too; a suffix for each target
}

// maxFile is where the file begins anew.
const maxFile = 16 << 20

// Run scrapes until ctx is done, each target in a loop of its own.
func Run(ctx context.Context, o Options) error {
	sink, err := url.Parse(o.Sink)
	if err != nil {
		return fmt.Errorf("read address of the sink: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	for i := range o.Targets {
		g.Go(func() error {
			l := &loop{Options: o, address: o.Targets[i]}
			if err := l.run(ctx, sink, i); err != nil {
				return fmt.Errorf("scrape %s: %w", l.address, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// loop is the work for one target.
type loop struct {
	Options
	address string

	target, sink *conn
	file         *os.File
	offset       int64
	request      *request
	body, packed []byte
	get, answer  []byte
	head         []byte
}

func (l *loop) run(ctx context.Context, sink *url.URL, i int) (err error) {
	if l.target, err = dial(l.address); err != nil {
		return err
	}
	defer l.target.net.Close()
	if l.sink, err = dial(sink.Host); err != nil {
		return err
	}
	defer l.sink.net.Close()
	if l.file, err = os.Create(fmt.Sprintf("%s.%d", l.File, i)); err != nil {
		return err
	}
	defer l.file.Close()
	l.get = fmt.Appendf(nil, "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n", l.address)
	kind := "application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0"
	if l.V2 {
		kind = "application/x-protobuf;proto=io.prometheus.write.v2.Request\r\nX-Prometheus-Remote-Write-Version: 2.0.0"
	}
	post := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Encoding: snappy\r\nContent-Type: %s\r\nContent-Length: ", sink.Path, sink.Host, kind)

	timer := time.NewTimer(l.Interval * time.Duration(i) / time.Duration(len(l.Targets))) // spread
	defer timer.Stop()
	next := time.Now().Add(l.Interval * time.Duration(i) / time.Duration(len(l.Targets)))
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		if err := l.scrape(post); err != nil {
			return err
		}
		next = next.Add(l.Interval)
		timer.Reset(time.Until(next))
	}
}

func (l *loop) scrape(post string) (err error) {
	now := time.Now().UnixMilli()
	if l.body, err = l.target.exchange(l.get, nil, l.body); err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if l.request == nil {
		if l.request, err = newRequest(l.body, l.address, l.V2); err != nil {
			return err
		}
		l.packed = make([]byte, snappy.MaxEncodedLen(len(l.request.msg)))
	}
	if err := l.request.patch(l.body, now); err != nil {
		return err
	}
	packed := snappy.Encode(l.packed, l.request.msg)
	if l.offset > maxFile {
		l.offset = 0
	}
	n, err := l.file.WriteAt(packed, l.offset)
	if err != nil {
		return err
	}
	l.offset += int64(n)
	l.head = fmt.Appendf(l.head[:0], "%s%d\r\n\r\n", post, len(packed))
	if l.answer, err = l.sink.exchange(l.head, packed, l.answer); err != nil {
		return fmt.Errorf("post: %w", err)
	}
	return nil
}
