package stack

import (
	"context"
	"strconv"
)

// Service is the example service checkout.
type Service struct {
	*Process
	Address string // host:port of the shop, its metrics and its pprof handlers
	URL     string
}

// ServiceOptions say how a checkout is started.
type ServiceOptions struct {
	Binary  string
	Name    string // of the process; empty means checkout
	Address string // host:port to listen on
	LogDir  string
	Args    []string // further flags
	Netns   *Netns   // nil means ours
}

// StartService starts a checkout and waits until it answers.
func StartService(ctx context.Context, opts ServiceOptions) (*Service, error) {
	if opts.Name == "" {
		opts.Name = "checkout"
	}
	process, err := Start(Spec{
		Name: opts.Name, Path: opts.Binary, Args: append([]string{"-listen=" + opts.Address}, opts.Args...),
		LogDir: opts.LogDir, Netns: opts.Netns,
	})
	if err != nil {
		return nil, err
	}
	s := &Service{Process: process, Address: opts.Address, URL: "http://" + opts.Address}
	c := clientIn(opts.Netns)
	if err := s.Await(ctx, "the service at "+s.URL, func(ctx context.Context) error {
		_, err := do(ctx, c, "GET", s.URL+"/metrics")
		return err
	}); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// StartLoad starts the load generator against a service: rate requests a second, the same
// each time.
func StartLoad(binary, url string, rate int, logDir string) (*Process, error) {
	return Start(Spec{
		Name: "loadgen", Path: binary, LogDir: logDir,
		Args: []string{"-target=" + url, "-rps=" + strconv.Itoa(rate), "-for=0", "-v"},
	})
}
