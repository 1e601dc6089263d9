package discover

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"outrider/telemetry"
)

const (
	serviceNameLabel  = "service_name" // what Pyroscope calls a service by
	metaFilepathLabel = model.MetaLabelPrefix + "filepath"

	defaultMetricsPath = "/metrics"
	defaultPprofPath   = "/debug/pprof"
)

// discovered returns the labels, before relabelling, of one address of a group. path is the
// file that lists the group, or empty.
func discovered(lb *labels.Builder, job *Job, addr string, group model.LabelSet, path string) labels.Labels {
	lb.Reset(labels.EmptyLabels())
	for name, v := range group {
		lb.Set(string(name), string(v))
	}
	if path != "" {
		lb.Set(metaFilepathLabel, path)
	}
	lb.Set(model.AddressLabel, addr)

	setDefault := func(name, v string) {
		if lb.Get(name) == "" {
			lb.Set(name, v)
		}
	}
	setDefault(model.JobLabel, job.Name)
	setDefault(model.SchemeLabel, cmp.Or(job.Scheme, "http"))
	setDefault(model.MetricsPathLabel, job.path())
	for name, vs := range job.Params {
		if len(vs) > 0 {
			setDefault(model.ParamLabelPrefix+name, vs[0])
		}
	}
	return lb.Labels()
}

// derived returns the labels, before the relabelling of a profile job, of the profile target
// that belongs to a metrics target: the final labels of that one, and where to find the
// pprof handlers of the same process.
func derived(lb *labels.Builder, job *Job, metrics *telemetry.Target) labels.Labels {
	lb.Reset(metrics.Labels)
	metrics.Discovered.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, model.MetaLabelPrefix) {
			lb.Set(l.Name, l.Value)
		}
	})
	// One port speaks one scheme; another port may speak another.
	addr, scheme := metrics.URL.Host, metrics.URL.Scheme
	if job.Port > 0 {
		addr = net.JoinHostPort(metrics.URL.Hostname(), strconv.Itoa(job.Port))
		scheme = cmp.Or(job.Scheme, scheme)
	}
	lb.Set(model.AddressLabel, addr)
	lb.Set(model.SchemeLabel, scheme)
	lb.Set(model.MetricsPathLabel, job.path())
	return lb.Labels()
}

// populated is what became of a discovered set of labels.
type populated struct {
	target *telemetry.Target // nil: dropped by relabelling
	// localInstance is an instance label that had been set but named a loopback address,
	// and so was replaced.
	localInstance string
}

// populate relabels discovered labels and makes the target that they mean. The order of its
// steps is that of Prometheus (scrape.PopulateLabels); no port is added to an address
// without one.
func populate(lb *labels.Builder, job *Job, id Identity, base labels.Labels) (populated, error) {
	lb.Reset(base)
	if !relabel.ProcessBuilder(lb, job.Config.RelabelConfigs...) {
		return populated{}, nil
	}
	addr, scheme := lb.Get(model.AddressLabel), lb.Get(model.SchemeLabel)
	if err := CheckAddress(addr); err != nil {
		return populated{}, err
	}
	if scheme != "http" && scheme != "https" {
		return populated{}, fmt.Errorf("scheme must be http or https, not %q", scheme)
	}
	p := populated{target: &telemetry.Target{
		Job:        job.Name,
		URL:        targetURL(lb, job, scheme, addr),
		Discovered: base,
	}}
	instance := lb.Get(model.InstanceLabel)
	if id.apply(lb, addr, scheme) {
		p.localInstance = instance
	}
	if job.Profile && lb.Get(serviceNameLabel) == "" {
		lb.Set(serviceNameLabel, cmp.Or(lb.Get(model.JobLabel), job.Name))
	}
	lb.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			lb.Del(l.Name)
		}
	})
	p.target.Labels = lb.Labels()
	if err := p.target.Labels.Validate(checkLabel); err != nil {
		return populated{}, err
	}
	return p, nil
}

// targetURL builds what is requested from labels after relabelling. A label __param_NAME
// stands for the first value of the parameter.
func targetURL(lb *labels.Builder, job *Job, scheme, addr string) *url.URL {
	path := lb.Get(model.MetricsPathLabel)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if job.Profile {
		return &url.URL{Scheme: scheme, Host: addr, Path: strings.TrimRight(path, "/")}
	}
	params := url.Values{}
	for name, vs := range job.Params {
		params[name] = append([]string(nil), vs...)
	}
	lb.Range(func(l labels.Label) {
		name, ok := strings.CutPrefix(l.Name, model.ParamLabelPrefix)
		switch {
		case !ok:
		case len(params[name]) > 0:
			params[name][0] = l.Value
		default:
			params[name] = []string{l.Value}
		}
	})
	return &url.URL{Scheme: scheme, Host: addr, Path: path, RawQuery: params.Encode()}
}

// checkLabel refuses what no backend would take. Relabelling can make up any name.
func checkLabel(l labels.Label) error {
	if !model.UTF8Validation.IsValidLabelName(l.Name) {
		return fmt.Errorf("invalid label name %q", l.Name)
	}
	if !utf8.ValidString(l.Value) {
		return fmt.Errorf("invalid label value for %q: %q", l.Name, l.Value)
	}
	return nil
}
