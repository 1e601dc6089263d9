package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"outrider/demo/internal/stack"
)

// diskBytes is the size of the small disk.
const diskBytes = 2 << 20

// runDisk gives the sidecar a disk that is soon full while its receiver is away, and wants that
// scrapes go on, that the oldest samples go and are counted, and that all is well afterwards.
func runDisk(ctx context.Context, b *bench) error {
	mount := filepath.Join(b.dir, "disk")
	if err := makeDir(mount); err != nil {
		return err
	}
	unmount, err := mountSmall(mount, diskBytes)
	if err != nil {
		b.skip("a small disk", "cannot be mounted here: %v; go test ./agent/spool has a disk that fails", err)
		return nil
	}
	defer unmount()
	return b.withRig("rig", setup{
		message: stack.MessageV1, interval: 500 * time.Millisecond, targets: 8, shape: shape{values: 3000},
		storage: filepath.Join(mount, "storage"),
	}, func(r *rig) error { return b.fullDisk(ctx, r, mount) })
}

func (b *bench) fullDisk(ctx context.Context, r *rig, mount string) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := until(ctx, 20*time.Second, func() error { return r.arrived(3) }); err != nil {
		return err
	}

	// The backlog itself fills the disk.
	if err := r.sink.set(modeDown); err != nil {
		return err
	}
	enough := float64(20 * r.shape.series())
	if err := until(ctx, 2*time.Minute, func() error {
		f, err := r.flow(ctx)
		if err == nil && f.dropped < enough {
			err = fmt.Errorf("%.0f samples dropped, want %.0f", f.dropped, enough)
		}
		return err
	}); err != nil {
		return err
	}
	f, err := r.flow(ctx)
	if err != nil {
		return err
	}
	before := r.served()
	sleep(ctx, 2*time.Second)
	scraped := r.served() - before
	b.want(scraped >= 24, "scrapes in 2s on a full disk", "at least 24 of 32", "%d", scraped)
	b.tell("dropped so far", "%.0f samples (%s), %.0f wait; the disk has %d KiB", f.dropped, f.reasons, f.queued-f.delivered-f.dropped, diskBytes>>10)
	if err := b.recover(ctx, r, "after the backlog filled it"); err != nil {
		return err
	}

	// Something else fills the disk.
	if err := r.sink.set(modeDown); err != nil {
		return err
	}
	balloon := filepath.Join(mount, "balloon")
	if err := fill(balloon); err != nil {
		return err
	}
	sleep(ctx, 4*time.Second)
	if err := os.Remove(balloon); err != nil {
		return err
	}
	if err := b.recover(ctx, r, "after something else filled it"); err != nil {
		return err
	}

	// With space again nothing is lost.
	f, err = r.flow(ctx)
	if err != nil {
		return err
	}
	if err := r.sink.set(modeDown); err != nil {
		return err
	}
	sleep(ctx, 2*time.Second)
	if err := r.sink.set(modeUp); err != nil {
		return err
	}
	if err := r.flush(ctx, 30*time.Second); err != nil {
		return err
	}
	after, err := r.flow(ctx)
	if err != nil {
		return err
	}
	b.want(after.dropped == f.dropped, "dropped in an outage of 2s with space again", "0", "%.0f samples", after.dropped-f.dropped)
	if err := r.stop(ctx); err != nil {
		return err
	}
	l := account(r.targets, r.sink.book, r.ends)
	b.tell("bodies", "%d served, %d lost with what was dropped", l.owed, l.lost.n)
	b.want(l.lost.n > 0 && gaps(l) <= 2*len(r.targets), "gaps", "the oldest of each outage, so at most one gap for each and target", "%d", gaps(l))
	b.wrong("all", l, r.sink)
	return nil
}

// recover lets the receiver come back and checks the books: what was scraped was delivered or
// is counted as dropped.
func (b *bench) recover(ctx context.Context, r *rig, when string) error {
	if err := r.sink.set(modeUp); err != nil {
		return err
	}
	if err := r.flush(ctx, time.Minute); err != nil {
		return err
	}
	var f flow
	err := until(ctx, 10*time.Second, func() (err error) { // scrapes go on meanwhile
		if f, err = r.flow(ctx); err != nil {
			return err
		}
		if f.queued != f.delivered+f.dropped {
			return fmt.Errorf("%.0f scraped, %.0f delivered, %.0f dropped", f.queued, f.delivered, f.dropped)
		}
		return nil
	})
	b.want(err == nil, "scraped = delivered + dropped, "+when, "equal", "%.0f = %.0f + %.0f (%s) %v", f.queued, f.delivered, f.dropped, f.reasons, orNothing(err))
	return nil
}

func orNothing(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// flow is what the sidecar says that it did with samples.
type flow struct {
	queued, delivered, dropped, quarantined float64
	reasons                                 string
}

func (r *rig) flow(ctx context.Context) (flow, error) {
	metrics, err := r.sidecar.Metrics(ctx)
	if err != nil {
		return flow{}, err
	}
	f := flow{
		queued:      metrics[`outrider_remote_write_samples_queued_total{endpoint="sink"}`],
		delivered:   metrics[`outrider_remote_write_samples_delivered_total{endpoint="sink"}`],
		quarantined: metrics[`outrider_remote_write_samples_quarantined_total{endpoint="sink"}`],
	}
	var reasons []string
	for _, series := range slices.Sorted(maps.Keys(metrics)) {
		if v := metrics[series]; v > 0 && strings.HasPrefix(series, "outrider_remote_write_samples_dropped_total{") {
			f.dropped += v
			_, reason, _ := strings.Cut(series, `reason="`)
			reasons = append(reasons, fmt.Sprintf("%s %.0f", strings.TrimSuffix(reason, `"}`), v))
		}
	}
	f.reasons = strings.Join(reasons, ", ")
	return f, nil
}

// gaps counts the runs of lost bodies, of all targets.
func gaps(l *ledger) int {
	n, last := 0, 0
	for i, s := range l.lostList {
		if i == 0 || s.N != last+1 {
			n++
		}
		last = s.N
	}
	return n
}

// fill writes a file until the disk is full.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				return nil
			}
			return err
		}
	}
}
