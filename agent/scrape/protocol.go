package scrape

import (
	"fmt"
	"mime"
	"strings"
)

// protocol is one exposition format that a target can be asked for.
type protocol struct {
	name   string // in scrape_protocols
	accept string // in the Accept header
	// escapes says that the format knows names outside of [a-zA-Z0-9_:], which are only sent
	// to those who say that they do not want them escaped.
	escapes bool
}

// The names that scrape_protocols and fallback_scrape_protocol know.
const (
	protoDelimited  = "PrometheusProto"
	openMetrics100  = "OpenMetricsText1.0.0"
	openMetrics001  = "OpenMetricsText0.0.1"
	prometheus100   = "PrometheusText1.0.0"
	prometheus004   = "PrometheusText0.0.4"
	protoMediaType  = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	allowUTF8       = ";escaping=allow-utf-8"
	textMediaType   = "text/plain"
	openMediaType   = "application/openmetrics-text"
	firstAcceptRank = 6 // the preferred format gets q=0.6; five formats and */* fit below
)

func protocols() []protocol {
	return []protocol{
		{name: protoDelimited, accept: protoMediaType},
		{name: openMetrics100, accept: openMediaType + ";version=1.0.0", escapes: true},
		{name: openMetrics001, accept: openMediaType + ";version=0.0.1"},
		{name: prometheus100, accept: textMediaType + ";version=1.0.0", escapes: true},
		{name: prometheus004, accept: textMediaType + ";version=0.0.4"},
	}
}

// protocolNames lists what scrape_protocols knows, for error messages.
func protocolNames() string {
	var names []string
	for _, p := range protocols() {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

func findProtocol(name string) (protocol, error) {
	for _, p := range protocols() {
		if p.name == name {
			return p, nil
		}
	}
	return protocol{}, fmt.Errorf("unknown scrape protocol %q, known are %s", name, protocolNames())
}

// preferred returns the names to ask for. Protobuf is the only format that carries native
// histograms, and costs the service more to write than text does: it is asked for only when
// they are wanted.
func preferred(configured []string, native bool) []string {
	switch {
	case len(configured) > 0:
		return configured
	case native:
		return []string{protoDelimited, openMetrics100, openMetrics001, prometheus100, prometheus004}
	}
	return []string{openMetrics100, openMetrics001, prometheus100, prometheus004}
}

// acceptHeader asks for the named protocols in their order and takes anything else as the
// last resort.
func acceptHeader(names []string) (string, error) {
	var b strings.Builder
	rank := firstAcceptRank
	seen := map[string]bool{}
	for _, name := range names {
		p, err := findProtocol(name)
		if err != nil {
			return "", err
		}
		if seen[name] {
			return "", fmt.Errorf("scrape protocol %q is named twice", name)
		}
		seen[name] = true
		b.WriteString(p.accept)
		if p.escapes {
			b.WriteString(allowUTF8)
		}
		fmt.Fprintf(&b, ";q=0.%d,", rank)
		rank--
	}
	fmt.Fprintf(&b, "*/*;q=0.%d", rank)
	return b.String(), nil
}

// fallbackMediaType returns the media type to assume of a target that sends none; "" for none.
func fallbackMediaType(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	p, err := findProtocol(name)
	if err != nil {
		return "", err
	}
	media, _, err := mime.ParseMediaType(p.accept)
	if err != nil {
		panic("BUG: media type of " + name + ": " + err.Error())
	}
	return media, nil
}
