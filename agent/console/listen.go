package console

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"syscall"
)

// listen binds address, which came from the flag of that name.
func listen(address, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	fix := "give a host:port that this machine has with " + flag
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		fix = "another sidecar? choose another with " + flag
	case errors.Is(err, syscall.EACCES):
		fix = "choose a port above 1023 with " + flag
	}
	return nil, fmt.Errorf("listen on %s: %w; %s", address, rootCause(err), fix)
}

// rootCause strips what net says around an error of the system, which repeats the address.
func rootCause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		err = call.Err
	}
	return err
}

// loopback says whether an address that was bound can be reached from this machine alone.
// Only literal addresses can: what a name stands for is known once it was bound, and the
// empty host stands for every interface.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// parseExternalURL returns nil for an empty s.
func parseExternalURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--web.external-url: %w", err)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, fmt.Errorf("--web.external-url %q: want http(s)://host[:port][/path]", u.Redacted())
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		// It is exported as a metric and put in links.
		return nil, fmt.Errorf("--web.external-url %q: must not carry credentials, a query or a fragment", u.Redacted())
	}
	return u, nil
}
