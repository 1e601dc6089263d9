package faults

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// poisonIndex is the series in the middle of a body that the receiver refuses.
	poisonIndex  = 777
	poisonReason = "the campaign refuses series 777"
	// maxRequests is what one batch may cost when something in it is refused.
	maxRequests = 24
)

// isPoison matches the key of the refused series.
var isPoison = "i" + string([]byte{keyEquals}) + strconv.Itoa(poisonIndex) + string([]byte{keyEnd})

// poisoned answers as Prometheus does: over 1.0 nothing of a bad request is stored, over 2.0
// the rest is.
func poisoned(r request) reply {
	good := make([]sample, 0, len(r.samples))
	for _, s := range r.samples {
		if !strings.Contains(s.key, isPoison) {
			good = append(good, s)
		}
	}
	switch {
	case len(good) == len(r.samples):
		return taken(r)
	case r.v2:
		return reply{status: http.StatusBadRequest, body: poisonReason, store: good}
	default:
		return reply{status: http.StatusBadRequest, body: poisonReason}
	}
}

// runPoison has the receiver refuse one series in the middle of each batch, of which some wait
// already, and wants all others, few requests, and the refused samples kept with the reason.
func runPoison(ctx context.Context, b *bench) error {
	return inTurn(2).each(len(protocols), func(i int) error {
		p := protocols[i]
		return b.withRig(p.name, setup{
			message: p.message, interval: 500 * time.Millisecond, targets: 1, shape: shape{values: 2000, poison: poisonIndex},
		}, func(r *rig) error { return b.poison(ctx, r, p.name) })
	})
}

func (b *bench) poison(ctx context.Context, r *rig, name string) error {
	r.sink.keepCalls = true
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := until(ctx, 20*time.Second, func() error { return r.arrived(4) }); err != nil {
		return err
	}
	if err := r.sink.set(modeDown); err != nil {
		return err
	}
	sleep(ctx, 3*time.Second)
	r.sink.reply(poisoned)
	if err := r.sink.set(modeUp); err != nil {
		return err
	}
	sleep(ctx, b.span(20*time.Second, 6*time.Second))
	if err := r.flush(ctx, time.Minute); err != nil {
		return err
	}
	metrics, err := r.sidecar.Metrics(ctx)
	if err != nil {
		return err
	}
	if err := r.stop(ctx); err != nil {
		return err
	}

	// A batch holds all samples of a time.
	requests, refusals := map[int64]int{}, 0
	for _, c := range r.sink.Calls() {
		if c.status == http.StatusBadRequest {
			refusals++
		}
		times := map[int64]bool{}
		for _, s := range c.samples {
			times[s.timeMs] = true
		}
		for ms := range times {
			requests[ms]++
		}
	}
	most := 0
	for _, n := range requests {
		most = max(most, n)
	}
	b.want(refusals > 0 && most <= maxRequests, name+": requests for one batch", fmt.Sprintf("at most %d", maxRequests),
		"%d (%d requests for %d batches, %d refused)", most, len(r.sink.Calls()), len(requests), refusals)
	l := account(r.targets, r.sink.book, r.ends)
	b.want(l.arrived == l.owed && l.owed > 0, name+": bodies whose other series arrived", fmt.Sprint(l.owed), "%d", l.arrived)
	b.wrong(name, l, r.sink)

	stored := 0
	for _, ln := range r.sink.series {
		if ln.name == seriesValue && ln.label == strconv.Itoa(poisonIndex) {
			for _, e := range ln.at {
				if !isStale(e.bits) {
					stored++
				}
			}
		}
	}
	// Some more came while the number was read.
	owed := l.arrived + l.bonus - stored
	quarantined := int(metrics[`outrider_remote_write_samples_quarantined_total{endpoint="sink"}`])
	b.want(stored > 0 && quarantined <= owed && quarantined >= owed-4, name+": poison in quarantine", fmt.Sprintf("%d to %d, one sample of each body", owed-4, owed),
		"%d samples", quarantined)
	files, told := b.quarantine(r.storageDir())
	b.want(files > 0 && told == files, name+": quarantine files that tell the reason", "all", "%d of %d", told, files)
	return nil
}

// quarantine counts the files in quarantine, and those that tell the reason of the receiver.
func (b *bench) quarantine(storage string) (files, told int) {
	paths, _ := filepath.Glob(filepath.Join(storage, "quarantine", "*"))
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		files++
		if strings.Contains(string(text), poisonReason) {
			told++
		}
	}
	return files, told
}
