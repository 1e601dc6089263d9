package remotewrite

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

func TestHistoryForgets(t *testing.T) {
	var h history
	name := func(i int) []label { return []label{{"__name__", fmt.Sprint("m", i)}} }
	for i := range maxTracked + 10 {
		h.track(name(i), t0).timeMs = 5
	}
	if len(h.series) != maxTracked {
		t.Errorf("%d series are remembered", len(h.series))
	}
	if h.get(name(0)) == nil || h.get(name(maxTracked)) != nil {
		t.Error("the first are kept when there is no room")
	}
	h.track(name(0), t0+forgetAfter+1)
	h.track(name(maxTracked), t0+forgetAfter+1)
	if len(h.series) != 2 || h.get(name(0)).timeMs != 5 {
		t.Errorf("%d series are remembered, want the two that are still seen", len(h.series))
	}
}

func TestTargetsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		te := newTestEncoder(t, v1, labels.EmptyLabels())
		gone, stays := target("gone:1"), target("stays:1")
		te.records(scrapeOf(gone, seriesSet(1), nowMs()))
		for range 70 {
			te.records(scrapeOf(stays, seriesSet(1), nowMs()))
			time.Sleep(time.Minute)
		}
		if _, ok := te.enc.targets[gone]; ok || len(te.enc.targets) != 1 {
			t.Errorf("%d targets are remembered", len(te.enc.targets))
		}
	})
}
