package agents

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Setup is what an agent is to do.
type Setup struct {
	Dir      string   // an empty folder for all that it writes
	Targets  []string // host:port of each target
	Sink     string   // URL of the remote-write receiver
	Listen   string   // host:port for its own pages
	Interval time.Duration
}

// Agent is a program with one way to run it.
type Agent struct {
	Name   string // such as vmagent-prom
	Binary string // its file in the folder of binaries
	// Protocol is what it must speak to the sink, as sink.Protocol names it.
	Protocol string
	Floor    bool // not an agent, but the least that any would have to do
	Churn    bool // measured also under loads in which series come and go
	// Pprof is whether it serves its own profiles under /debug/pprof/ at Listen.
	Pprof bool

	args func(Setup) ([]string, error)
}

// Product is the program without the way it runs: what comes before the dash.
func (a Agent) Product() string {
	product, _, _ := strings.Cut(a.Name, "-")
	return product
}

// Args writes the configuration and returns the arguments to run the agent with.
func (a Agent) Args(s Setup) ([]string, error) {
	args, err := a.args(s)
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", a.Name, err)
	}
	return args, nil
}

// All returns every agent in the order in which they are shown and run. outrider is the
// path of the sidecar, bin the folder of the other programs.
func All(outrider, bin string) []Agent {
	in := func(name string) string { return filepath.Join(bin, name) }
	return []Agent{
		{Name: "outrider-1.0", Protocol: "1.0", Binary: outrider, Churn: true, Pprof: true, args: outriderArgs("prometheus.WriteRequest")},
		{Name: "outrider-2.0", Protocol: "2.0", Binary: outrider, Churn: true, Pprof: true, args: outriderArgs("io.prometheus.write.v2.Request")},
		{Name: "vmagent-prom", Protocol: "1.0", Binary: in("vmagent"), Churn: true, args: vmagentArgs("-remoteWrite.forcePromProto")},
		{Name: "vmagent-zstd", Protocol: "zstd", Binary: in("vmagent"), Churn: true, args: vmagentArgs("-remoteWrite.forceVMProto")},
		{Name: "prometheus", Protocol: "1.0", Binary: in("prometheus"), args: prometheusArgs},
		{Name: "floor-1.0", Protocol: "1.0", Binary: in("bench-floor"), Floor: true, args: floorArgs("1.0")},
		{Name: "floor-2.0", Protocol: "2.0", Binary: in("bench-floor"), Floor: true, args: floorArgs("2.0")},
	}
}

// Choose returns those whose name or product is in the comma-separated list; all of them
// for an empty list.
func Choose(all []Agent, list string) ([]Agent, error) {
	if list == "" {
		return all, nil
	}
	var chosen []Agent
	wanted := strings.Split(list, ",")
	used := make([]bool, len(wanted))
	for _, a := range all {
		take := false
		for i, w := range wanted {
			if w == a.Name || w == a.Product() {
				take, used[i] = true, true
			}
		}
		if take {
			chosen = append(chosen, a)
		}
	}
	for i, ok := range used {
		if !ok {
			return nil, fmt.Errorf("there is no agent %q", wanted[i])
		}
	}
	return chosen, nil
}

// scrape is the part of the configuration that all agents share. Everything that is not
// there is left at each agent's default.
func scrape(s Setup) string {
	quoted := make([]string, len(s.Targets))
	for i, t := range s.Targets {
		quoted[i] = `"` + t + `"`
	}
	return fmt.Sprintf(`global:
  scrape_interval: %s
  scrape_timeout: %s
scrape_configs:
  - job_name: bench
    static_configs:
      - targets: [%s]
`, ms(s.Interval), ms(min(s.Interval, 10*time.Second)), strings.Join(quoted, ", "))
}

// ms writes a duration in the one way that all agents read.
func ms(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

func writeConfig(s Setup, text string) (string, error) {
	path := filepath.Join(s.Dir, "config.yml")
	return path, os.WriteFile(path, []byte(text), 0o644)
}

func outriderArgs(message string) func(Setup) ([]string, error) {
	return func(s Setup) ([]string, error) {
		config, err := writeConfig(s, scrape(s)+fmt.Sprintf(`remote_write:
  - url: %s
    protobuf_message: %s
self_metrics: false
`, s.Sink, message))
		return []string{"run", "--config.file", config, "--storage.path", filepath.Join(s.Dir, "data"), "--web.listen-address", s.Listen}, err
	}
}

func vmagentArgs(protocol string) func(Setup) ([]string, error) {
	return func(s Setup) ([]string, error) {
		config, err := writeConfig(s, scrape(s))
		return []string{"-promscrape.config=" + config, "-remoteWrite.url=" + s.Sink, protocol,
			"-remoteWrite.tmpDataPath=" + filepath.Join(s.Dir, "data"), "-httpListenAddr=" + s.Listen}, err
	}
}

func prometheusArgs(s Setup) ([]string, error) {
	config, err := writeConfig(s, scrape(s)+fmt.Sprintf("remote_write:\n  - url: %s\n", s.Sink))
	return []string{"--agent", "--config.file=" + config, "--storage.agent.path=" + filepath.Join(s.Dir, "data"),
		"--web.listen-address=" + s.Listen}, err
}

func floorArgs(protocol string) func(Setup) ([]string, error) {
	return func(s Setup) ([]string, error) {
		args := []string{"--protocol", protocol, "--sink", s.Sink, "--interval", s.Interval.String(), "--file", filepath.Join(s.Dir, "spool")}
		return append(args, s.Targets...), nil
	}
}
