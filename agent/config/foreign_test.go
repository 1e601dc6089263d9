package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"outrider/agent/remotewrite"
)

// prometheusKeys are the keys of a prometheus.yml, by block, as the structs of package
// config of Prometheus v3.16.0 have them. (The package itself stays out of go.mod: it brings
// every service discovery with it.)
var prometheusKeys = map[reflect.Type]string{
	reflect.TypeFor[Config](): `global runtime alerting rule_files scrape_config_files scrape_configs storage tracing
		remote_write remote_read otlp`,
	reflect.TypeFor[Global](): `scrape_interval scrape_timeout scrape_protocols evaluation_interval rule_query_offset
		query_log_file query_max_series query_max_samples_read query_max_duration scrape_failure_log_file external_labels
		body_size_limit sample_limit target_limit label_limit label_name_length_limit label_value_length_limit
		keep_dropped_targets metric_name_validation_scheme metric_name_escaping_scheme scrape_native_histograms
		convert_classic_histograms_to_nhcb always_scrape_classic_histograms extra_scrape_metrics`,
	reflect.TypeFor[ScrapeConfig](): `job_name honor_labels honor_timestamps track_timestamps_staleness params scrape_interval
		scrape_timeout scrape_protocols fallback_scrape_protocol scrape_native_histograms always_scrape_classic_histograms
		convert_classic_histograms_to_nhcb scrape_failure_log_file metrics_path scheme enable_compression body_size_limit
		sample_limit target_limit label_limit label_name_length_limit label_value_length_limit native_histogram_bucket_limit
		native_histogram_min_bucket_factor keep_dropped_targets metric_name_validation_scheme metric_name_escaping_scheme
		extra_scrape_metrics relabel_configs metric_relabel_configs static_configs file_sd_configs ` + httpClientKeys + `
		aws_sd_configs azure_sd_configs consul_sd_configs digitalocean_sd_configs dns_sd_configs docker_sd_configs
		dockerswarm_sd_configs ec2_sd_configs ecs_sd_configs elasticache_sd_configs eureka_sd_configs gce_sd_configs
		hetzner_sd_configs http_sd_configs ionos_sd_configs kubernetes_sd_configs kuma_sd_configs lightsail_sd_configs
		linode_sd_configs marathon_sd_configs msk_sd_configs nerve_sd_configs nomad_sd_configs oci_sd_configs
		openstack_sd_configs outscale_sd_configs ovhcloud_sd_configs puppetdb_sd_configs rds_sd_configs scaleway_sd_configs
		serverset_sd_configs stackit_sd_configs triton_sd_configs uyuni_sd_configs vultr_sd_configs`,
	reflect.TypeFor[remotewrite.Config](): `url remote_timeout headers write_relabel_configs name send_exemplars
		send_native_histograms round_robin_dns protobuf_message failed_request_logging queue_config metadata_config sigv4
		azuread google_iam convert_nhcb_to_classic ` + httpClientKeys,
}

const httpClientKeys = `basic_auth authorization oauth2 bearer_token bearer_token_file tls_config follow_redirects
	enable_http2 proxy_url no_proxy proxy_from_environment proxy_connect_header http_headers`

// TestPrometheusKeys puts each key of Prometheus in exactly one class: supported, without
// effect, or rejected.
func TestPrometheusKeys(t *testing.T) {
	for block, list := range prometheusKeys {
		theirs := strings.Fields(list)
		ours := keysOf(block)
		for _, key := range theirs {
			_, isForeign := foreignKey(block, key)
			if supported := slices.Contains(ours, key); supported == isForeign {
				t.Errorf("%s: %s: supported %t and foreign %t, want one of them", block, key, supported, isForeign)
			}
		}
		for key := range foreignKeys[block] {
			if !slices.Contains(theirs, key) {
				t.Errorf("%s: %s is foreign but no key of Prometheus", block, key)
			}
		}
	}
}

// TestForeignReasons wants reasons that read well after "key: has no effect:" and "key:".
func TestForeignReasons(t *testing.T) {
	for block, keys := range foreignKeys {
		for key, f := range keys {
			if f.why == "" || strings.HasSuffix(f.why, ".") || strings.ToLower(f.why[:1]) != f.why[:1] {
				t.Errorf("%s: %s: reason %q", block, key, f.why)
			}
		}
	}
}
