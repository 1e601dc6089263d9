package scrape

import (
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"outrider/telemetry"
)

// settings are all that a loop is told: its target and what the job's configuration makes of
// it. Immutable; a loop that is to do otherwise is given others.
type settings struct {
	target   *telemetry.Target
	job      Job
	interval time.Duration
	source   source
	client   *http.Client // behind source; nil when it makes no requests
	rules    *rules
}

// newSettings makes the settings of one target of a job whose configuration is valid. Where
// old has a client of the same configuration it is kept, and with it the connection.
func newSettings(t *telemetry.Target, job Job, old *settings, userAgent string, logger *slog.Logger) (*settings, error) {
	cfg := &job.Config
	set := &settings{target: t, job: job, interval: time.Duration(cfg.ScrapeInterval)}
	rulesOf := job.Config
	var err error
	if job.Gatherer != nil {
		rulesOf.ScrapeNativeHistograms = new(true) // they are there: nobody has to be asked for them
		set.source = &gathering{gatherer: job.Gatherer, logger: logger}
	} else {
		if set.client, err = clientFor(job, old, userAgent); err != nil {
			return nil, err
		}
		if set.source, err = newRequest(set.client, t.URL, cfg); err != nil {
			return nil, err
		}
	}
	if set.rules, err = newRules(t.Labels, &rulesOf); err != nil {
		return nil, err
	}
	return set, nil
}

func clientFor(job Job, old *settings, userAgent string) (*http.Client, error) {
	if old != nil && old.client != nil && reflect.DeepEqual(old.job.Config.HTTPClient, job.Config.HTTPClient) {
		return old.client, nil
	}
	return newClient(&job, userAgent)
}

// same says whether a job would make the same of its targets.
func (j *Job) same(other *Job) bool {
	return j.Name == other.Name && reflect.DeepEqual(j.Config, other.Config) && sameGatherer(j.Gatherer, other.Gatherer)
}

// sameGatherer compares as far as the types allow it: functions, for one, never are the same.
func sameGatherer(a, b prometheus.Gatherer) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}
