package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"outrider/agent/remotewrite"
)

// foreign is a key of prometheus.yml that the sidecar does not act upon. Every key of
// Prometheus is either supported or one of these, so that a file written for Prometheus
// says what it lacks here.
type foreign struct {
	// rejected keys are errors: to ignore them would lose data or leave it unprotected.
	// The others are warnings.
	rejected bool
	why      string
}

func noEffect(why string) foreign { return foreign{why: why} }
func reject(why string) foreign   { return foreign{rejected: true, why: why} }

// foreignKeys are by the block they stand in.
var foreignKeys = map[reflect.Type]map[string]foreign{
	reflect.TypeFor[Config](): {
		"alerting":            noEffect("the sidecar evaluates no alerts; the Prometheus it writes to does"),
		"rule_files":          noEffect("the sidecar evaluates no rules; the Prometheus it writes to does"),
		"runtime":             noEffect("set GOGC in the environment and --log.level on the command line"),
		"storage":             noEffect("the sidecar has no database"),
		"tracing":             noEffect("the sidecar sends no traces"),
		"scrape_config_files": reject("the configuration is one file: put the blocks into scrape_configs"),
		"remote_read":         reject("the sidecar answers no queries: ask the backend"),
		"otlp":                reject("the sidecar receives no OTLP: send it to the backend"),
	},
	reflect.TypeFor[Global](): {
		"evaluation_interval":                noEffect("the sidecar evaluates no rules"),
		"rule_query_offset":                  noEffect("the sidecar evaluates no rules"),
		"query_log_file":                     noEffect("the sidecar answers no queries"),
		"query_max_series":                   noEffect("the sidecar answers no queries"),
		"query_max_samples_read":             noEffect("the sidecar answers no queries"),
		"query_max_duration":                 noEffect("the sidecar answers no queries"),
		"scrape_failure_log_file":            noEffect(whyFailureLog),
		"target_limit":                       noEffect(whyTargets),
		"keep_dropped_targets":               noEffect(whyTargets),
		"metric_name_validation_scheme":      noEffect(whyNames),
		"metric_name_escaping_scheme":        noEffect(whyNames),
		"convert_classic_histograms_to_nhcb": noEffect(whyClassic),
		"extra_scrape_metrics":               noEffect(whyExtra),
	},
	reflect.TypeFor[ScrapeConfig](): with(discoveries(), map[string]foreign{
		"scrape_failure_log_file":            noEffect(whyFailureLog),
		"target_limit":                       noEffect(whyTargets),
		"keep_dropped_targets":               noEffect(whyTargets),
		"metric_name_validation_scheme":      noEffect(whyNames),
		"metric_name_escaping_scheme":        noEffect(whyNames),
		"convert_classic_histograms_to_nhcb": noEffect(whyClassic),
		"extra_scrape_metrics":               noEffect(whyExtra),
		"native_histogram_bucket_limit":      noEffect("native histograms are shipped with the buckets that the service chose"),
		"native_histogram_min_bucket_factor": noEffect("native histograms are shipped with the buckets that the service chose"),
	}),
	reflect.TypeFor[ProfileConfig](): discoveries(),
	reflect.TypeFor[remotewrite.Config](): {
		"queue_config":            noEffect("a scrape is one request and waits on disk; see spool and shards"),
		"metadata_config":         noEffect("metadata goes with the samples of a 2.0 request, on no schedule of its own"),
		"round_robin_dns":         noEffect("one connection is kept to each endpoint"),
		"failed_request_logging":  noEffect("failed requests are logged with the server's answer in any case"),
		"convert_nhcb_to_classic": noEffect("histograms are shipped as they were scraped"),
		"sigv4":                   reject(whySigning),
		"azuread":                 reject(whySigning),
		"google_iam":              reject(whySigning),
	},
}

const (
	whyFailureLog = "failed scrapes are in the sidecar's own log"
	whyTargets    = "the sidecar watches the few targets beside it"
	whyNames      = "metric and label names are taken as UTF-8, the default of Prometheus"
	whyClassic    = "classic histograms are shipped as they are; Prometheus converts only what it scrapes itself"
	whyExtra      = "`outrider check config` shows timeouts and limits"
	whySigning    = "the sidecar does not sign requests for a cloud: put a signing proxy between, or use basic_auth, authorization or oauth2"
	whyDiscovery  = "not in a sidecar: the service is beside us; use static_configs or file_sd_configs"
	whyReference  = "there is no secret manager in the sidecar: use the key that ends in _file"
)

// discoverers are the service discoveries of Prometheus but file.
var discoverers = []string{
	"aws", "azure", "consul", "digitalocean", "dns", "docker", "dockerswarm", "ec2", "ecs",
	"elasticache", "eureka", "gce", "hetzner", "http", "ionos", "kubernetes", "kuma",
	"lightsail", "linode", "marathon", "msk", "nerve", "nomad", "oci", "openstack",
	"outscale", "ovhcloud", "puppetdb", "rds", "scaleway", "serverset", "stackit", "triton",
	"uyuni", "vultr",
}

func discoveries() map[string]foreign {
	keys := make(map[string]foreign, len(discoverers))
	for _, d := range discoverers {
		keys[d+"_sd_configs"] = reject(whyDiscovery)
	}
	return keys
}

func with(base, more map[string]foreign) map[string]foreign {
	maps.Copy(base, more)
	return base
}

// foreignKey returns what is said of a key of the block, if it is foreign.
func foreignKey(block reflect.Type, key string) (foreign, bool) {
	if strings.HasSuffix(key, "_ref") && block.PkgPath() == reflect.TypeFor[promconfig.HTTPClientConfig]().PkgPath() {
		return reject(whyReference), true
	}
	f, ok := foreignKeys[block][key]
	return f, ok
}

// acceptedKeys returns the foreign keys of a block that somebody may have meant.
func acceptedKeys(block reflect.Type) []string {
	var keys []string
	for key, f := range foreignKeys[block] {
		if !f.rejected {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
