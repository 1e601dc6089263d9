package console

import (
	"net"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:9910":              true,
		"127.0.0.2:9910":              true,
		"127.255.255.254:0":           true,
		"[::1]:9910":                  true,
		"[0:0:0:0:0:0:0:1]:9910":      true,
		"[::ffff:127.0.0.1]:9910":     true,
		"[::1%lo]:9910":               true,
		"":                            false,
		":9910":                       false,
		"0.0.0.0:9910":                false,
		"[::]:9910":                   false,
		"[::ffff:10.0.0.1]:9910":      false,
		"10.0.0.1:9910":               false,
		"128.0.0.1:9910":              false,
		"126.255.255.255:9910":        false,
		"192.168.1.1:9910":            false,
		"[fe80::1%eth0]:9910":         false,
		"[2001:db8::1]:9910":          false,
		"127.1:9910":                  false, // what a resolver makes of it is known once bound
		"2130706433:9910":             false,
		"localhost:9910":              false, // a name may stand for anything
		"localhost.example.com:9910":  false,
		"127.0.0.1.example.com:9910":  false,
		"example.com:9910":            false,
		"127.0.0.1":                   false,
		"::1":                         false,
		"unix:/run/outrider.sock":     false,
		"/run/outrider.sock":          false,
		"127.0.0.1:9910@10.0.0.1:80":  false,
		" 127.0.0.1:9910":             false,
		"[127.0.0.1]:9910":            true,
		"[::1]":                       false,
		"[::1]:9910:9910":             false,
		"127.0.0.1:9910,0.0.0.0:9910": false,
	} {
		if got := loopback(address); got != want {
			t.Errorf("loopback(%q) = %v, want %v", address, got, want)
		}
	}
}

// What a name is bound to decides, not the name.
func TestLocalhostIsLoopbackOnceBound(t *testing.T) {
	opts := options()
	opts.ListenAddress = "localhost:0"
	c := run(t, opts)
	if !loopback(c.Addr()) {
		t.Skipf("localhost is %s here", c.Addr())
	}
	if !c.guard.onLoopback {
		t.Error("localhost is taken for an address of the network")
	}
}

func TestNewSaysWhatToDoAboutAnAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()

	for name, tc := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"port taken": {
			func(o *Options) { o.ListenAddress = addr },
			"listen on " + addr + ": address already in use; another sidecar? choose another with --web.listen-address",
		},
		"second port taken": {
			func(o *Options) { o.TelemetryAddress = addr },
			"listen on " + addr + ": address already in use; another sidecar? choose another with --web.telemetry-address",
		},
		"address of somebody else": {
			func(o *Options) { o.ListenAddress = "192.0.2.1:0" },
			"listen on 192.0.2.1:0: cannot assign requested address; give a host:port that this machine has with --web.listen-address",
		},
		"no port": {
			func(o *Options) { o.ListenAddress = "127.0.0.1" },
			"listen on 127.0.0.1: address 127.0.0.1: missing port in address; give a host:port that this machine has with --web.listen-address",
		},
		"external URL without scheme": {
			func(o *Options) { o.ExternalURL = "outrider.example.com" },
			`--web.external-url "outrider.example.com": want http(s)://host[:port][/path]`,
		},
		"external URL with password": {
			func(o *Options) { o.ExternalURL = "https://me:hunter2@example.com" },
			`--web.external-url "https://me:xxxxx@example.com": must not carry credentials, a query or a fragment`,
		},
		"web configuration missing": {
			func(o *Options) { o.WebConfigFile = "testdata/none.yml" },
			"--web.config.file testdata/none.yml: open testdata/none.yml: no such file or directory",
		},
	} {
		opts := options()
		tc.change(&opts)
		_, err := New(opts)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, tc.want)
		}
		// A failed start leaves neither a metric nor a listener behind.
		if got, _ := opts.Gatherer.Gather(); len(got) != 0 {
			t.Errorf("%s: left %d metric families registered", name, len(got))
		}
	}
}

func TestCloseGivesThePortBack(t *testing.T) {
	opts := options()
	opts.TelemetryAddress = "127.0.0.1:0"
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	first, second := c.Addr(), c.TelemetryAddr()
	if strings.HasSuffix(first, ":0") || strings.HasSuffix(second, ":0") || first == second {
		t.Errorf("bound %s and %s", first, second)
	}
	for range 2 { // closing twice is no mistake
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	opts.ListenAddress, opts.TelemetryAddress = second, first
	opts.Registerer = prometheus.NewRegistry()
	c, err = New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
